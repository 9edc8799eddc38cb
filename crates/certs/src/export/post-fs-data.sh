#!/system/bin/sh
# Puts Landfall's authority into the system store of Android 14 and later, which is in a read-only
# APEX: a copy of the store with one certificate more is mounted over it, for all processes.
# Before Android 14 the file below system/ of this module is enough, and nothing is done here.

NAME={store-name}
MODULE=${0%/*}
STORE=/apex/com.android.conscrypt/cacerts
COPY=$MODULE/cacerts

[ -d "$STORE" ] || exit 0

mkdir -p "$COPY"
mount -t tmpfs tmpfs "$COPY" || exit 1
cp "$STORE"/* "$COPY"/
cp "$MODULE/system/etc/security/cacerts/$NAME" "$COPY/$NAME"
chown 0:0 "$COPY" "$COPY"/*
chmod 755 "$COPY"
chmod 644 "$COPY"/*
chcon -R u:object_r:system_security_cacerts_file:s0 "$COPY"

# A store that lost certificates would cut the device off from everything.
before=$(ls "$STORE" | wc -l)
after=$(ls "$COPY" | wc -l)
if [ "$after" -ge "$before" ]; then
    mount --bind "$COPY" "$STORE"
    # Mounts below /apex are private: init and the zygotes, whose children all apps are, have
    # namespaces of their own.
    for process in 1 $(pidof zygote) $(pidof zygote64); do
        nsenter --mount="/proc/$process/ns/mnt" -- mount --bind "$COPY" "$STORE"
    done
fi
umount "$COPY"
