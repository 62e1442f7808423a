#!/bin/sh
# Unpacks programs of Debian's packages into a folder, with what they need, unless they are on the PATH already: so no test
# needs anything installed. Prints the PATH and the LD_LIBRARY_PATH to run them with.
#
#   host-tests/install-debian.sh DIRECTORY PROGRAM=PACKAGE...
set -eu
directory=$1
shift
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)
root=$directory/root
PATH=$root/usr/bin:$root/usr/sbin:$PATH

packages=
for wanted; do
  command -v "${wanted%%=*}" >/dev/null || packages="$packages ${wanted#*=}"
done
if [ -n "$packages" ]; then
  # Lists and packages of its own: the machine's need a superuser, and may be none or old.
  mkdir -p "$directory/lists/partial" "$directory/cache/archives/partial"
  apt="apt-get -q -y -o Dir::State::lists=$directory/lists -o Dir::Cache=$directory/cache -o Debug::NoLocking=1
    -o APT::Sandbox::User= -o APT::Get::List-Cleanup=0"
  $apt update >"$directory/log" 2>&1 || { cat "$directory/log" >&2; exit 1; }
  # shellcheck disable=SC2086 # words
  $apt --no-install-recommends --download-only install $packages >"$directory/log" 2>&1 ||
    { cat "$directory/log" >&2; exit 1; }
  for package in "$directory"/cache/archives/*.deb; do
    dpkg -x "$package" "$root"
  done
fi
libraries=$(find "$root" -name '*.so*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd:)
printf "PATH='%s'\nLD_LIBRARY_PATH='%s'\n" "$PATH" "$libraries"
