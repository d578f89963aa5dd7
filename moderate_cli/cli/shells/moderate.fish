# Completion of moderate for fish, printed by: moderate completion fish
# Keep it as moderate.fish in ~/.config/fish/completions/.

function __moderate_complete
    set -l words (commandline -opc)
    set -l token (string replace -r -- '^["\']' '' (commandline -ct)) # without the quote that is still open
    set -l program $words[1]
    set -e words[1]
    command -q $program; or return
    for line in (command $program completion fish -- $words "$token" 2>/dev/null)
        switch $line
            case \tfiles \tfolders
                set -l option ''
                set -l path "$token"
                if string match -qr -- '^--[^=]+=' "$token"
                    set option (string replace -r -- '=.*' '=' "$token")
                    set path (string replace -r -- '^--[^=]+=' '' "$token")
                end
                if test $line = \tfiles
                    printf '%s\n' $option(__fish_complete_path "$path")
                else
                    printf '%s\n' $option(__fish_complete_directories "$path")
                end
            case '*'
                printf '%s\n' $line
        end
    end
end

complete -c moderate -k -f -a '(__moderate_complete)'
