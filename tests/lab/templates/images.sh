# Gives a containerd that does not run yet the images of the store. What never changes stays where it is, once for all
# nodes: layers as unpacked, and the archives that they came in. The databases are small, and the node's own.
store=/run/netdoctor-lab/images
root=/var/lib/containerd
content=io.containerd.content.v1.content
bolt=io.containerd.metadata.v1.bolt
overlay=io.containerd.snapshotter.v1.overlayfs
mkdir -p $root/$content/blobs/sha256 $root/$content/ingest $root/$bolt $root/$overlay/snapshots
cp $store/$bolt/meta.db $root/$bolt/
cp $store/$overlay/metadata.db $root/$overlay/
ln -s $store/$content/blobs/sha256/* $root/$content/blobs/sha256/
ln -s $store/$overlay/snapshots/* $root/$overlay/snapshots/
