#!/bin/sh
# Installs the release of this image on the node whose /opt, /usr/local/bin and /etc are below /host, and has the node's
# systemd start it. Run again, it upgrades: pods stay, the next host adopts them.
set -eu
name=containerd-shim-virtiofs
install=$(dirname "$0")
node=${NODE_ROOT:-/host}
release=${RELEASE:-/opt/$name}
config=${CONFIG:-/config/config.toml}

on_node() {
	nsenter --target 1 --mount -- "$@"
}

for command in shim-virtiofs "$name-v1"; do
	[ -x "$release/bin/$command" ] && continue
	echo "install.sh: there is no \"$release/bin/$command\": build the image from a release for nodes" >&2
	exit 1
done

# Beside the old one first, so that it is never there in part.
rm -rf "$node/opt/$name.new" "$node/opt/$name.old"
cp -a "$release" "$node/opt/$name.new"
[ ! -e "$node/opt/$name" ] || mv "$node/opt/$name" "$node/opt/$name.old"
mv "$node/opt/$name.new" "$node/opt/$name"
rm -rf "$node/opt/$name.old"
for command in shim-virtiofs "$name-v1"; do
	ln -sfn "/opt/$name/bin/$command" "$node/usr/local/bin/$command"
done

install -D -m 600 "$config" "$node/etc/$name/config.toml"
install -D -m 644 "$install/tmpfiles.conf" "$node/etc/tmpfiles.d/$name.conf"
for unit in "$name.service" "$name.socket"; do
	install -D -m 644 "$install/$unit" "$node/etc/systemd/system/$unit"
done
on_node systemctl daemon-reload
on_node systemctl enable "$name"
# Returns when it serves; one that runs is replaced.
on_node systemctl restart "$name"

# containerd reads its configuration only when it starts; its pods stay.
containerd=$node/etc/containerd/conf.d/virtiofs.toml
if ! cmp -s "$install/containerd.toml" "$containerd"; then
	install -D -m 644 "$install/containerd.toml" "$containerd"
	on_node systemctl restart containerd
fi
