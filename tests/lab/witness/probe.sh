# The probes of the witness. Every function prints one sign (see src/witness/cell.rs); nothing here is part of the
# product. The file is put in front of the script of one vantage and runs in the network namespace of a pod or a host,
# with the programs of the machine: AGNHOST is the test image's program of the Kubernetes project, the rest is busybox.

# at KEY PROBE ARGUMENT...: runs a probe in the background and prints its sign behind the key.
at() {
    (
        key=$1
        shift
        echo "$key $("$@")"
    ) &
}

# tcp ADDRESS:PORT
tcp() {
    said=$("$AGNHOST" connect --timeout=2s "$1" 2>&1) && echo + && return
    verdict "$said"
}

# udp ADDRESS:PORT: sends a question that agnhost's UDP server answers.
udp() {
    said=$("$AGNHOST" connect --timeout=2s --protocol=udp "$1" 2>&1) && echo + && return
    verdict "$said"
}

# The sign of what `agnhost connect` says.
verdict() {
    case $1 in
    TIMEOUT*) echo x ;;
    REFUSED*) echo r ;;
    OTHER* | UNKNOWN*) echo u ;;
    *) echo . ;;
    esac
}

# web URL: `s` is an answer other than 200. A proxy in the environment is used, and without one the URL has an address.
web() {
    said=$(busybox timeout 4 busybox wget -q -O /dev/null "$1" 2>&1) && echo + && return
    case $said in
    *"server returned error"*) echo s ;;
    *refused*) echo r ;;
    *nreachable* | *"o route"*) echo u ;;
    *) echo x ;;
    esac
}

# bulk ADDRESS:PORT: more than fits into one packet, sent and sent back by agnhost's web server.
bulk() {
    text=$(printf %02000d 0)
    if [ "$(busybox timeout 4 busybox wget -q -O - "http://$1/echo?msg=$text" 2>&1)" = "$text" ]; then echo +; else echo x; fi
}

# dns NAME SERVER [TYPE]: over UDP, one try.
dns() {
    said=$(busybox timeout 4 busybox nslookup "-type=${3:-a}" -timeout=2 -retry=1 "$1" "$2" 2>&1) && echo + && return
    dns_verdict "$said"
}

# resolve NAME: by the resolv.conf of the pod, with its servers and its search list. For probes that stand in a pod.
resolve() {
    said=$(busybox timeout 9 nsenter --target "$POD_PID" --mount --net nslookup -type=a -timeout=2 -retry=1 "$1" 2>&1) &&
        echo + && return
    dns_verdict "$said"
}

# The sign of what `nslookup` says.
dns_verdict() {
    case $1 in
    *"can't find"* | *SERVFAIL* | *NXDOMAIN*) echo s ;;
    *refused*) echo r ;;
    *nreachable* | *"o route"*) echo u ;;
    *) echo x ;;
    esac
}

# new_name DOMAIN SERVER: a name in this domain that nobody asked for before. An answer from a cache would prove nothing.
new_name() {
    dns "w$(date +%s%N).$1" "$2"
}

# dns_tcp NAME SERVER: the same question over TCP, made by hand.
dns_tcp() {
    said=$({ question "$1" | busybox timeout 3 busybox nc -w 2 "$2" 53 | od -An -tx1 -N 10; } 2>&1)
    case $said in
    *refused*) echo r ;;
    *nreachable* | *"o route"*) echo u ;;
    *"timed out"* | "") echo x ;;
    *) dns_answer $said ;;
    esac
}

# The first ten bytes of an answer over TCP: length, id, flags with the result code, number of questions, of answers.
dns_answer() {
    if [ $# -lt 10 ]; then
        echo x
    elif [ "${6#?}" = 0 ] && [ "$9${10}" != 0000 ]; then
        echo +
    else
        echo s
    fi
}

# question NAME: asks for the A record, with the length in front as TCP wants it.
question() {
    labels=
    length=17
    for label in $(echo "$1" | tr . ' '); do
        labels="$labels\\$(printf %03o ${#label})$label"
        length=$((length + ${#label} + 1))
    done
    printf "\\000\\$(printf %03o $length)\\022\\064\\001\\000\\000\\001\\000\\000\\000\\000\\000\\000$labels\\000\\000\\001\\000\\001"
}

# echo_request SIZE ADDRESS: ping with so many bytes. The kernel forbids to fragment them.
echo_request() {
    said=$(busybox ping -c 1 -W 2 -s "$1" "$2" 2>&1) && echo + && return
    case $said in
    *nreachable* | *"o route"*) echo u ;;
    *) echo x ;;
    esac
}
