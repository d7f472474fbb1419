# Imports an archive of images into a containerd that runs only for that, and keeps what it makes of them.
# $1 archive · $2 an empty folder, for the result
#
# Runs in mount and PID namespaces of its own. The work is done in memory, where an overlay can lie whatever the folder is on.
set -e
archive=$1 result=$2
mount -t proc proc /proc
mkdir "$result/work"
mount -t tmpfs lab "$result/work"
cd "$result/work"
cat >config.toml <<END
version = 2
root = "$PWD/root"
state = "$PWD/state"
disabled_plugins = ["io.containerd.grpc.v1.cri"]
[grpc]
address = "$PWD/containerd.sock"
END
containerd --config config.toml >log 2>&1 &
containerd=$!
attempts=600
until ctr --address "$PWD/containerd.sock" version >/dev/null 2>&1; do
    attempts=$((attempts - 1))
    test $attempts -gt 0 && kill -0 $containerd || { cat log >&2; exit 1; }
    sleep 0.1
done
ctr --address "$PWD/containerd.sock" --namespace=k8s.io images import "$archive" >&2
# Closes the databases.
kill $containerd
wait $containerd || true
for part in content.v1.content metadata.v1.bolt snapshotter.v1.overlayfs; do
    cp -a "root/io.containerd.$part" "$result"
done
cd "$result"
umount work
rmdir work
