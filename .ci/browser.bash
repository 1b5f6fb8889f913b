# Sourced by the scripts that open pages in Chromium, after shared.bash.

# chromium_or_install: prints the path of Chromium; installs it where there is none (Debian).
chromium_or_install() {
    local names=(chromium chromium-browser google-chrome)
    if ! command -v "${names[@]}" >/dev/null; then
        echo "installing Chromium" >&2
        apt_install chromium >/dev/null
    fi
    command -v "${names[@]}" | head -n 1
}

# axe_or_none DIRECTORY: prints the path of axe-core's script, from npm; - where npm or the package is not available.
axe_or_none() {
    { command -v npm || apt_install npm; } >/dev/null 2>&1
    if timeout 120 npm install --silent --no-save --prefix "$1" axe-core@4.14.1 >/dev/null 2>&1; then
        echo "$1/node_modules/axe-core/axe.min.js"
    else
        echo "SKIPPED: accessibility, as axe-core of npm is not available here" >&2
        echo -
    fi
}
