#!/bin/sh
# Checks that doc comments begin with a noun or a verb, as in tower and hyper: none with What, How, Whether, Which, Where,
# When, Who, Whose or Why. Prints those that do, as FILE:LINE: TEXT, and their number. A block's first line alone counts.
#
#   host-tests/check-docs.sh [DIRECTORY…]
set -eu
cd "$(dirname "$0")/.."
[ $# -gt 0 ] || set -- src tests host-tests profiles profiles
find "$@" -name target -prune -o -name '*.rs' -print | sort | tr '\n' '\0' | xargs -0 awk '
    FNR == 1 { is_in_block = 0 }
    { is_doc = /^[ \t]*\/\/[\/!]/ }
    is_doc && !is_in_block && /^[ \t]*\/\/[\/!] (What|How|Whether|Which|Where|When|Who|Whose|Why)([^A-Za-z]|$)/ {
        text = $0
        sub(/^[ \t]*/, "", text)
        print FILENAME ":" FNR ": " text
        count++
    }
    { is_in_block = is_doc }
    END {
        print count + 0 " doc comments begin with a question word"
        exit count > 0
    }
'
