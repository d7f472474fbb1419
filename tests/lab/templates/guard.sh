# Outlives whoever started the lab, and clears away what the kernel does not: control groups and the run folder.
# $1 run folder, with this script and the others · $2 control group · $3 logs ·
# $4 Kubernetes' programs · $5 the folder of CoreDNS · $6 images · $7… names of the hosts
#
# Standard input is a pipe. The init process ends with it, unless it is told to stay.
run=$1 group=$2
# The start time tells this process from a later one of the same number.
read -r stat </proc/self/stat
echo "${stat%% *} $(echo "${stat##*) }" | cut -d' ' -f20)" >"$run/guard"

unshare --pid --fork --kill-child --mount --propagation private sh "$run/init.sh" "$@"

# The kernel takes a process out of its group a moment after it is gone, hence more than one attempt.
for _ in 1 2 3 4 5; do
    left=$(find /sys/fs/cgroup -type d -name "$group")
    test -n "$left" || break
    find $left -depth -type d -exec rmdir {} \; 2>/dev/null
    sleep 0.1
done
# Renamed first: whoever starts a lab of the same name now gets a folder of its own.
mv "$run" "$run.ended" 2>/dev/null && rm -rf -- "$run.ended"
rmdir "${run%/*}" 2>/dev/null || true # the last lab
