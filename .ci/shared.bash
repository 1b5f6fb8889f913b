# Sourced by the scripts here and by ../firmware-tests/cores.bash.

# Where cargo puts what it builds in release, of the workspace that holds the current directory.
release_directory() {
    cargo metadata --format-version 1 --no-deps | sed 's|.*"target_directory":"\([^"]*\)".*|\1/release|'
}

# rustflags_of CORE: what chooses the kernels of a core that its target's name does not tell from another's.
rustflags_of() {
    case $1 in
    M55) echo '--cfg kernels="helium"' ;;
    esac
}

# median FILE: of numbers, one a line; fails where there is none.
median() {
    sort -n "$1" | awk '
        { v[NR] = $1 }
        END { if (!NR) exit 1; print (NR % 2) ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# options SCRIPT MOST OPTIONS [ARGUMENT...]: answers --help among the arguments with the comment that SCRIPT begins with, and refuses those
# that are none of the OPTIONS (a list between spaces), and more than MOST that are no options.
options() {
    local script=$1 most=$2 known=$3 argument others=0
    shift 3
    for argument in "$@"; do
        case $argument in
        -h | --help)
            sed -n '2,/^[^#]/ { /^#/!d; s/^# \{0,1\}//; p; }' "$script"
            exit 0
            ;;
        -*)
            [[ " $known " == *" $argument "* ]] && continue
            echo "error: there is no option $argument; $(basename "$script") --help describes what there is" >&2
            exit 2
            ;;
        *) others=$((others + 1)) ;;
        esac
    done
    if [ "$others" -gt "$most" ]; then
        echo "error: $others arguments, and at most $most are taken; $(basename "$script") --help describes them" >&2
        exit 2
    fi
}

# default_signals SCRIPT [ARGUMENT...]: starts the script once more, with HUP, INT and TERM as by default. A signal that a
# script was started to ignore, as one in the background is, stays ignored in the trainer, and tests send it some.
default_signals() {
    local defaults=(env --default-signal=HUP,INT,TERM)
    if [ -z "${SIGNALS_ARE_DEFAULT:-}" ] && "${defaults[@]}" true 2>/dev/null; then
        SIGNALS_ARE_DEFAULT=yes exec "${defaults[@]}" bash "$@"
    fi
}

# one_at_a_time COMMAND [ARGUMENT...]: for what installs. rustup and apt-get fail beside another of theirs, and steps run side by side.
one_at_a_time() {
    (
        ! command -v flock >/dev/null || flock 9
        "$@"
    ) 9>"${TMPDIR:-/tmp}/thimble-installs"
}

# apt_install PACKAGE...: without what is recommended beside them, which can clash with packages that are there.
apt_install() { one_at_a_time bash -c 'apt-get update && apt-get install -y --no-install-recommends "$@"' apt "$@"; }
