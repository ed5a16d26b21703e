# What the maintainer scripts share; it is put before each of them.
name=containerd-shim-virtiofs
service=$name.service
# The socket first: a service that runs cannot be given it any more.
units="$name.socket $service"
config=/etc/$name/config.toml

say() {
	printf '%s: %s\n' "$name" "$*"
}

has_systemd() {
	[ -d /run/systemd/system ]
}

# That of the host which the configuration is for; once it is purged, the usual one.
state_directory() {
	configured=$(sed -n '/^ *\[/q; s/^ *state *= *"\([^"\\]*\)".*/\1/p' "$config" 2>/dev/null) || configured=
	echo "${configured:-/run/$name}"
}

# The same process and no zombie: fields 3 and 22 of /proc/PID/stat; the name before them may hold anything, lines too.
is_alive() {
	stat=
	{ while IFS= read -r line; do stat="$stat $line"; done <"/proc/$1/stat"; } 2>/dev/null || return 1
	set -- "$2" ${stat##*) }
	[ "$2" != Z ] && [ "$2" != X ] && [ "${21}" = "$1" ]
}

# The process id of the host that has this state directory.
living_host() {
	{ read -r pid start <"$1/host.pid"; } 2>/dev/null && is_alive "$pid" "$start" && echo "$pid"
}

# The records of shares whose daemon runs.
living_shares() {
	for record in "$1"/sandboxes/*/*/*/share.json; do
		pid=$(number_of pid "$record") && start=$(number_of startTime "$record") && is_alive "$pid" "$start" && echo "$record"
	done
	return 0
}

number_of() {
	sed -n "s/^ *\"$1\": \([0-9]*\).*/\1/p" "$2" 2>/dev/null | grep -m 1 .
}

# Those of the controller that go on while there is no host, with or without shares.
kept_sandboxes() {
	read -r boot </proc/sys/kernel/random/boot_id
	for record in "$1"/sandboxes/*/*/sandbox.json; do
		grep -qs '^ *"owner": "controller"' "$record" && grep -q "^ *\"bootId\": \"$boot\"" "$record" &&
			! grep -Eq '^ *"(exit|ending)":' "$record" && echo "${record%/*}"
	done
	return 0
}

# "2 sandboxes with 3 shares"; nothing where none lives.
living_sandboxes() {
	shares=$(living_shares "$1" | sed 's|/[^/]*/share.json$||')
	sandboxes=$({ echo "$shares" && kept_sandboxes "$1"; } | sort -u | grep -c .) || return 0
	echo "$(several "$sandboxes" sandbox sandboxes) with $(several "$(echo "$shares" | grep -c .)" share shares)"
}

several() {
	if [ "$1" -eq 1 ]; then echo "1 $2"; else echo "$1 $3"; fi
}
