# Says in one line why no Node.js of those given can run the program, by the first that is there: what failed, and what
# helps. Read by those who have met it, never before: sh node-problem.sh NODE…
set -u

main() {
	for node; do
		[ -n "$node" ] && [ -x "$node" ] || continue
		# The shell itself would speak of a signal.
		{ words=$(LC_ALL=C "$node" --version 2>&1); } 2>/dev/null
		status=$?
		echo "\"$node\" $(explain)"
		return
	done
	echo 'there is no Node.js: install 24 or newer'
}

explain() {
	case $words in
	v2[4-9].* | v[3-9][0-9].* | v[1-9][0-9][0-9]*)
		echo 'could not be started a moment ago, and can be now: try again, and raise the limit of processes or memory'
		;;
	v[0-9]*) echo "is $words, and this needs Node.js 24 or newer: install one, first on the PATH" ;;
	*"version \`GLIBC_"*)
		wanted=${words##*version \`GLIBC_}
		echo "needs glibc ${wanted%%\'*}, and this system has an older one: use a newer release of it"
		;;
	*"version \`GLIBCXX_"* | *"version \`CXXABI_"*)
		echo 'needs a newer libstdc++.so.6: update the package that has it (Debian: libstdc++6)'
		;;
	*'error while loading shared libraries: '*)
		library=${words#*error while loading shared libraries: }
		echo "needs ${library%%:*}: install the package that has it (Debian: libatomic1, libstdc++6)"
		;;
	*'kernel too old'*) echo "needs a newer kernel than $(uname -r): use a newer release of this system" ;;
	*)
		if [ $status -gt 128 ]; then
			echo "ends by signal $((status - 128)) at once: it is damaged, or this processor is too old for it: reinstall it"
			return
		fi
		echo "cannot be executed here: it is for another processor than $(uname -m), or for glibc, which this system has" \
			'not (musl): use the release for this processor, on a system with glibc'
		;;
	esac
}

main "$@"
