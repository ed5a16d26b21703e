#!/bin/busybox sh
# Process 1 of the guest: runs /script with the serial console as its terminal, reports its exit status, powers off.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp
exec </dev/ttyS0 >/dev/ttyS0 2>&1
stty -echo -onlcr
for module in /modules/*.ko; do
  insmod "$module"
done
sh /script
code=$?
sync
echo
echo "guest-exit:$code"
exec </dev/null >/dev/null 2>&1 # closing the console waits until all is written
poweroff -f
