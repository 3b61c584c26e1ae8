#!/usr/bin/env bash
# A VLC with its RTSP client, for the tests in test_viewers.py: Debian's stable releases build theirs
# without live555, its development branch builds it with that. This one is unpacked, with all that it
# needs, the C library too, into a folder of its own, and `cvlc` then means it; nothing is installed.
#
#   tests/peers/vlc_rtsp.sh [FOLDER]        as root, on Debian; 85 MB to fetch, some 20 s
set -euo pipefail
folder=${1:-/usr/local/lib/vlc-rtsp}
command=/usr/local/bin/cvlc

can_rtsp() { [[ $(cd / && setpriv --reuid=65534 --clear-groups "$1" --list 2>/dev/null) == *live555* ]]; }

if can_rtsp cvlc; then
  echo "vlc_rtsp: this VLC has its RTSP client"
  exit
fi

work=$(mktemp -d)
chmod 755 "$work"
trap 'rm -rf "$work"' EXIT

# From the mirror that this machine uses, through apt's own settings, with lists of its own.
release=$(. /etc/os-release && echo "$VERSION_CODENAME")
mirror=$(apt-get indextargets --format '$(REPO_URI) $(ORIGIN) $(CODENAME)' 'Created-By: Packages' |
  sed -n "s/ Debian $release\$//p")
mirror=${mirror%%$'\n'*}
if [ -z "$mirror" ]; then
  echo "vlc_rtsp: apt knows no Debian mirror here: run apt-get update" >&2
  exit 1
fi
keys=/usr/share/keyrings/debian-archive-keyring.gpg
echo "deb [signed-by=$keys] $mirror sid main" >"$work/sources.list"
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
: >"$work/status" # nothing counts as installed: all that VLC needs is fetched
apt=(apt-get -qq -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=-
  -o "Dir::State::lists=$work/lists" -o "Dir::State::status=$work/status"
  -o "Dir::Cache=$work/cache" -o Acquire::Languages=none -o Acquire::Retries=2
  -o APT::Sandbox::User=root)
"${apt[@]}" update
"${apt[@]}" install -y --no-install-recommends --download-only \
  vlc-bin vlc-plugin-base vlc-plugin-access-extra >/dev/null

mkdir -p "$work/root"
for package in "$work"/cache/archives/*.deb; do
  dpkg-deb -x "$package" "$work/root"
done
chmod 755 "$work/root"
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
mv "$work/root" "$folder"

loader=$(find "$folder/usr/lib" -name 'ld-linux*.so.*' -print -quit)
libraries=$(dirname "$(find "$folder/usr/lib" -name 'libvlccore.so.*' -print -quit)")
cat >"$work/cvlc" <<WRAPPER
#!/bin/sh
exec '$loader' --library-path '$libraries' '$folder/usr/bin/vlc' -I dummy "\$@"
WRAPPER
chmod 755 "$work/cvlc"
if ! can_rtsp "$work/cvlc"; then
  rm -rf "$folder"
  echo "vlc_rtsp: the VLC of Debian's development branch has no RTSP client, or does not run here" >&2
  exit 1
fi
mv "$work/cvlc" "$command"
echo "vlc_rtsp: $command has its RTSP client"
