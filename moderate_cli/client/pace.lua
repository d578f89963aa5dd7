-- The rule of pace.py for Redis: one call reads the numbers, decides, and writes them, and no other comes between.
-- What is above this text sets `now` and the constants of pace.py.
-- KEYS: the numbers (a hash), the starts of accepted calls and the members (sorted sets by time).
-- ARGV: reserve, refused or rate; the quota; 1 if it is unknown; a member or the start of the refused call; 1 if the
-- member had to wait for its turn; then the starts of accepted calls.
-- Returns texts, for Redis cuts numbers down to whole ones: a start, seconds until then, the members, the rate, and
-- what the service accepted in a second (or nothing).
local operation, per_second, auto, waited = ARGV[1], tonumber(ARGV[2]), ARGV[3] == "1", ARGV[5] == "1"
local numbers, accepted, members = KEYS[1], KEYS[2], KEYS[3]
local full = per_second * SHARE

local state = {}
local stored = redis.call("HGETALL", numbers)
for i = 1, #stored, 2 do
  state[stored[i]] = tonumber(stored[i + 1])
end
if state.seen and (now < state.seen - STEP_BACK or now > state.seen + FORGOTTEN) then
  state = {}
  redis.call("DEL", numbers, accepted, members)
end
state.refusals = state.refusals or 0
state.gentle = state.gentle or 0

local function exact(number)
  return string.format("%.17g", number)
end

local function grown_at(time)
  local base = state.base or full
  local passed = (auto and math.min(time, state.next or time) or time) - (state.since or 0)
  if auto and state.refusals == 0 then
    return base + SEARCH_GROWTH * full * math.max(0, passed - SEARCH_HOLD)
  end
  if auto and state.gentle == 0 and state.borne then
    return base + WATCH_GROWTH * full * math.max(0, passed - HOLD)
  end
  local hold, growth = HOLD, GROWTH
  if state.gentle == 1 then
    hold, growth = GENTLE_HOLD, GENTLE_GROWTH
  end
  local rate = base * (1 + growth * math.max(0, passed - hold))
  return auto and rate or math.min(full, rate)
end

local function rate_at(time)
  local rate = grown_at(time)
  if state.first and time < state.first + WINDOW then
    return math.min(rate, per_second * FIRST_SHARE)
  end
  return rate
end

local function lowered(rate, since)
  local last = redis.call("ZREVRANGE", accepted, 0, 0)
  local newest = last[1] and tonumber(last[1]) or since
  local span = math.min(WINDOW, newest - since)
  if span < ENOUGH * WINDOW then
    state.gentle = state.refusals == 1 and 1 or 0
    return rate * (state.gentle == 1 and GENTLE_BRAKE or BLIND_BRAKE)
  end
  state.gentle = 0
  state.borne = redis.call("ZCOUNT", accepted, "(" .. exact(newest - span), "+inf") / span
  return math.min(state.borne * SHARE, rate * SMALL_BRAKE)
end

local function reserve(member)
  if not state.resumed then
    state.first, state.resumed, state.since = now, now, now
  end
  local start = math.max(now, state.next or now)
  if auto and start == now and not waited then
    state.base, state.since = grown_at(now), now
  end
  local interval = 1 / rate_at(start)
  local begun = waited and now - interval or now
  state.next = math.max(state.next or begun, begun) + interval
  redis.call("ZADD", members, now, member)
  return start, start - now
end

local function refused(started)
  if not state.resumed or started < state.resumed then
    return now, math.max(0, (state.resumed or now) - now)
  end
  local before = rate_at(started)
  state.refusals = state.refusals + 1
  state.base = math.max(lowered(before, state.resumed), before * DEEPEST_BRAKE, full * LOWEST)
  local pause = math.min(WINDOW, PAUSE * (1 - state.base / before))
  state.resumed, state.since = now + pause, now + pause
  state.next = math.max(state.next or state.resumed, state.resumed)
  return state.resumed, pause
end

now = math.max(now, state.seen or now)
local start, delay = now, 0
if operation ~= "rate" then
  state.seen = now
  for i = 6, #ARGV do
    redis.call("ZADD", accepted, ARGV[i], ARGV[i])
    redis.call("ZREMRANGEBYSCORE", accepted, "-inf", "(" .. exact(tonumber(ARGV[i]) - 2 * WINDOW))
  end
  if operation == "reserve" then
    start, delay = reserve(ARGV[4])
  else
    start, delay = refused(tonumber(ARGV[4]))
  end
  local written = {}
  for name, number in pairs(state) do
    written[#written + 1] = name
    written[#written + 1] = exact(number)
  end
  redis.call("HSET", numbers, unpack(written))
end
redis.call("ZREMRANGEBYSCORE", members, "-inf", "(" .. exact(now - MEMBER_FOR))
for _, key in ipairs(KEYS) do
  redis.call("EXPIRE", key, FORGOTTEN)
end
local sharing = redis.call("ZCARD", members)
return {exact(start), exact(delay), tostring(sharing), exact(rate_at(now)), state.borne and exact(state.borne) or ""}
