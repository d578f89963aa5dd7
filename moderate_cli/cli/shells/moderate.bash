# Completion of moderate for bash, printed by: moderate completion bash
# Source it in ~/.bashrc, or keep it in ~/.local/share/bash-completion/completions/.

_moderate() {
    local line last=${COMP_WORDS[COMP_CWORD]}
    [[ $last == [\'\"]* ]] && last=$2 # without the quote that is still open
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            $'\tfiles') return ;; # what -o default below does
            $'\tfolders') compopt +o default -o dirnames 2>/dev/null && return ;;
            *) COMPREPLY+=("$line") ;;
        esac
    done < <("$1" completion bash -- "${COMP_WORDS[@]:1:COMP_CWORD-1}" "$last" 2>/dev/null)
    compopt +o default 2>/dev/null # bash before 4 has no compopt, and shows files
}

complete -o default -F _moderate moderate
