# Makes the namespaces in which it runs a host, and then holds them.
# $1 run folder · $2 logs · $3 Kubernetes' programs · $4 the folder of CoreDNS · $5 images · $6 name of the host
#
# What a host writes below /etc, /var, /run and the folder of the CNI plugins stays in memory and in this mount namespace.
set -e
run=$1 logs=$2 kubernetes=$3 coredns=$4 images=$5 name=$6
data=$run/data
# The id that the machine sees, as long as /proc is the machine's. Open now: /run will be another one at the end.
read -r stat </proc/self/stat
exec 4>"$run/hosts/$name"

hostname "$name"
mount -t tmpfs -o mode=0755 lab "$data"
own=$data/run/netdoctor-lab
mkdir -p "$data/cgroup" "$data/sysctl" "$data/run/lock" "$own/logs" "$own/bin" "$own/coredns" "$own/images"
mount --bind "$logs" "$own/logs"
mount --bind "$kubernetes" "$own/bin"
mount --bind "$coredns" "$own/coredns"
mount --bind -o ro "$images" "$own/images"

# A sysfs of this network namespace, with the control groups put back.
mount --rbind /sys/fs/cgroup "$data/cgroup"
mount -t sysfs sysfs /sys
mount --move "$data/cgroup" /sys/fs/cgroup
mount -t proc proc /proc

# The kubelet sets these for the whole machine. It leaves them alone where they read as it wants.
while read -r key value; do
    test -e "/proc/sys/$key" || continue
    echo "$value" >"$data/sysctl/${key##*/}"
    mount --bind "$data/sysctl/${key##*/}" "/proc/sys/$key"
done <<END
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
END

for folder in etc var usr/lib/cni; do
    test -d "/$folder" || continue
    layer=$data/layers/$folder
    mkdir -p "$layer/upper" "$layer/work"
    mount -t overlay -o "lowerdir=/$folder,upperdir=$layer/upper,workdir=$layer/work" lab "/$folder"
done
# Nothing of a Kubernetes that the machine itself may be part of.
rm -rf /etc/cni /etc/kubernetes /etc/containerd /var/lib/cni /var/lib/kubelet /var/lib/containerd /var/log/pods
rm -f /etc/resolv.conf
mkdir -p /etc/cni/net.d /etc/kubernetes/pki /var/lib/cni /var/log/pods
# The snapshots of containerd are overlays, which cannot lie on an overlay.
for folder in var/lib/containerd var/lib/kubelet var/lib/etcd; do
    mkdir -p "$data/$folder" "/$folder"
    mount --bind "$data/$folder" "/$folder"
done
case $name in
node-*)
    mkdir -p "$logs/$name-pods"
    mount --bind "$logs/$name-pods" /var/log/pods
    ;;
esac

mount --rbind "$data/run" /run
mount --make-rshared /
ip link set lo up
echo "${stat%% *} $(echo "${stat##*) }" | cut -d' ' -f20) $$ ready" >&4
exec 4>&-
exec sleep infinity
