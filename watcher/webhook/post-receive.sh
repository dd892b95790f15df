#!/bin/sh
# Tells Fairlead that somebody pushed. Save this as hooks/post-receive of the bare
# repository, chmod +x it, and put the webhook's secret into hooks/fairlead.secret
# (chmod 600). A push never fails because of this hook.
url=@URL@
source=@SOURCE@
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 0
secret=$here/fairlead.secret

say() { echo "fairlead: $*"; }

# sign prints the HMAC-SHA256 (RFC 2104) of its input in hex. It is put together
# from plain hashes, because openssl -hmac would show the key to every user of
# this machine who lists processes.
sign() {
	key=$(tr -d '\r\n' <"$secret" | od -An -v -tu1)
	# shellcheck disable=SC2086 # one word per byte
	set -- $key
	if [ $# -gt 64 ]; then
		key=$(tr -d '\r\n' <"$secret" | openssl dgst -sha256 -binary | od -An -v -tu1)
		# shellcheck disable=SC2086
		set -- $key
	fi
	[ $# -gt 0 ] || return 1
	inner='' outer='' n=0
	while [ $n -lt 64 ]; do
		byte=${1:-0}
		[ $# -eq 0 ] || shift
		i=$((byte ^ 54)) o=$((byte ^ 92)) n=$((n + 1))
		inner="$inner\\0$((i / 64))$((i / 8 % 8))$((i % 8))"
		outer="$outer\\0$((o / 64))$((o / 8 % 8))$((o % 8))"
	done
	{
		printf '%b' "$outer"
		{
			printf '%b' "$inner"
			cat
		} | openssl dgst -sha256 -binary
	} | openssl dgst -sha256 -r | cut -c 1-64
}

# post sends a body with its signature.
post() {
	if command -v curl >/dev/null 2>&1; then
		printf '%s' "$1" | curl --silent --fail --output /dev/null --max-time 5 --request POST \
			--header 'Content-Type: application/json' --header "X-Fairlead-Signature: sha256=$2" \
			--data-binary @- "$url/hooks/$source"
	else
		wget --quiet --output-document=/dev/null --timeout=5 --tries=1 --header='Content-Type: application/json' \
			--header="X-Fairlead-Signature: sha256=$2" --post-data="$1" "$url/hooks/$source"
	fi
}

# ready tells whether all that is needed is here, and says what is not.
ready() {
	if ! [ -r "$secret" ]; then
		say "not told of this push: $secret is missing or not readable"
	elif [ "$(ls -ldL -- "$secret" | cut -c 5-10)" != "------" ]; then
		say "not told of this push: others may read $secret; chmod 600 it"
	elif ! command -v openssl >/dev/null 2>&1; then
		say "not told of this push: openssl is not installed"
	elif ! command -v curl >/dev/null 2>&1 && ! command -v wget >/dev/null 2>&1; then
		say "not told of this push: neither curl nor wget is installed"
	else
		return 0
	fi
	return 1
}

tell() {
	body="{\"ref\":\"$1\"}"
	signature=$(printf '%s' "$body" | sign)
	if [ ${#signature} -ne 64 ]; then
		say "not told of $1: $secret is empty or openssl does not work"
	elif post "$body" "$signature"; then
		say "looking at $1; watch it with: fairlead status, or at $url"
	else
		say "could not be reached at $url; it will see $1 when it next polls"
	fi
}

ready || exit 0
left=5
while read -r _ new ref; do
	case $new in *[!0]*) ;; *) continue ;; esac # deleted
	case $ref in *[\"\\]*) continue ;; refs/heads/* | refs/tags/*) ;; *) continue ;; esac
	[ $left -gt 0 ] || continue # one push of many refs does not wait for each
	left=$((left - 1))
	tell "$ref"
done
exit 0
