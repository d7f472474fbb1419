#!/bin/sh
# The runc of a node. A kubelet that is not to make control groups (cgroupsPerQOS) does not say where those of containers go
# either, and containerd then takes /k8s.io of the whole machine: a lab that ends would leave them there.
before=
for argument; do
    if test "$before" = --bundle; then
        sed -i 's|"cgroupsPath":"/k8s.io/|"cgroupsPath":"/{{control_group}}/|' "$argument/config.json"
    fi
    before=$argument
done
exec runc "$@"
