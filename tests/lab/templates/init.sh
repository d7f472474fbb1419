# Process 1 of the lab's PID namespace: when it ends, the kernel ends everything in the lab.
# Same arguments as the guard.
exec 3<&0 </dev/null
run=$1 logs=$3 kubernetes=$4 coredns=$5 images=$6
shift 6
# /proc is still the machine's: these are the ids that the machine sees.
read -r stat </proc/self/stat
echo "${stat%% *} $(echo "${stat##*) }" | cut -d' ' -f20)" >"$run/init"

for name in "$@"; do
    unshare --net --uts --mount --propagation private \
        sh "$run/host.sh" "$run" "$logs" "$kubernetes" "$coredns" "$images" "$name" 3<&- &
done

# A child does the waiting, because this shell reaps orphans only while it waits for a child.
{
    read -r word <&3 && test "$word" = stay && exec sleep infinity
    exit 0
} &
exec 3<&-
wait $!
