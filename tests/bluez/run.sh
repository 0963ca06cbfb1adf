#!/usr/bin/env bash
# The real bluetoothd and the real kernel, without a radio and without touching this machine's own:
# boot a throw-away QEMU guest on this file system, read-only over 9p under a tmpfs, and run
# tests/bluez/scenarios.py in it. Neither KVM, nor a network in the guest, nor a disk image.
#
#   apt-get install qemu-system-x86 busybox-static cpio kmod dbus      (Debian or Ubuntu, x86-64)
#   tests/bluez/run.sh [WORKDIR] [SCENARIO ...]
#
# WORKDIR (default build/bluez) keeps the kernel and BlueZ that were downloaded. PYTHON names the
# interpreter (default .venv/bin/python), ACCEL qemu's accelerator (default tcg,thread=multi),
# LIMIT_S the longest run.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$(realpath -m "${1:-$root/build/bluez}")
shift || true
python=${PYTHON:-$root/.venv/bin/python}

for tool in qemu-system-x86_64 busybox cpio depmod modprobe dpkg apt-get; do
  command -v "$tool" >/dev/null || { echo "$tool is missing; see the head of $0" >&2; exit 2; }
done
mkdir -p "$work" && cd "$work"
if [ ! -d system ]; then
  kernel=$(apt-cache depends linux-image-amd64 | awk '/Depends: linux-image/ {print $2; exit}')
  apt-get download "$kernel" bluez
  for deb in ./*.deb; do dpkg -x "$deb" system.part; done
  depmod -b system.part "$(basename system.part/boot/vmlinuz-* | sed s/vmlinuz-//)"
  mv system.part system
fi
version=$(basename system/boot/vmlinuz-* | sed s/vmlinuz-//)
bluetoothd=$work/system/usr/libexec/bluetooth/bluetoothd

# The first root file system: the modules that reach this one, in the order of their dependence.
rm -rf first && mkdir -p first/{bin,modules,proc,sys,dev,mnt/below,mnt/above,root}
cp "$(command -v busybox)" first/bin/busybox
number=10
for module in virtio_pci netfs fscache 9p 9pnet_virtio overlay; do
  modprobe -d system -S "$version" --show-depends "$module"
done | awk '{print $2}' | awk '!seen[$0]++' | while read -r file; do
  cp "$file" "first/modules/$number-$(basename "$file")"
  number=$((number + 1))
done
cat >first/init <<INIT
#!/bin/busybox sh
box=/bin/busybox
\$box mount -t proc proc /proc; \$box mount -t sysfs sys /sys; \$box mount -t devtmpfs dev /dev
for module in /modules/*.ko; do \$box insmod \$module; done
\$box mount -t 9p -o trans=virtio,version=9p2000.L,msize=512000,ro,cache=loose host /mnt/below
\$box mount -t tmpfs -o size=2g tmpfs /mnt/above; \$box mkdir /mnt/above/upper /mnt/above/work
\$box mount -t overlay -o lowerdir=/mnt/below,upperdir=/mnt/above/upper,workdir=/mnt/above/work \
  overlay /root
for place in proc sys dev; do \$box mount --move /\$place /root/\$place; done
exec \$box switch_root /root /bin/bash $work/guest.sh
INIT
chmod +x first/init
(cd first && find . | cpio -o -H newc 2>/dev/null | gzip -1) >first.gz

cat >guest.sh <<GUEST
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root
export PYTHONDONTWRITEBYTECODE=1 OMP_NUM_THREADS=1
exec </dev/ttyS0 >/dev/ttyS0 2>&1
mount -t tmpfs tmpfs /run; ip link set lo up
mkdir -p /run/dbus /var/lib/bluetooth /lib/modules
ln -sfn $work/system/lib/modules/$version /lib/modules/$version
for module in hci_vhci uhid algif_hash algif_skcipher cmac ecb; do modprobe \$module; done
cp $work/system/etc/dbus-1/system.d/bluetooth.conf /etc/dbus-1/system.d/
id messagebus >/dev/null 2>&1 || useradd -r messagebus
dbus-daemon --system --fork
$bluetoothd -n >/run/bluetoothd.log 2>&1 &
sleep 1
echo GUEST kernel \$(uname -r), bluetoothd \$($bluetoothd -v)
cd $root && $python -u $here/scenarios.py $*
echo GUEST status \$?
grep -iE 'agent|pair|security' /run/bluetoothd.log | tail -5
sync; echo o >/proc/sysrq-trigger; sleep 9
GUEST

timeout "${LIMIT_S:-900}" qemu-system-x86_64 -accel "${ACCEL:-tcg,thread=multi}" -cpu max -m 3072 \
  -smp 2 -kernel "system/boot/vmlinuz-$version" -initrd first.gz \
  -append "console=ttyS0 quiet panic=-1 mitigations=off nokaslr" \
  -nographic -nic none -vga none -no-reboot \
  -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap 2>&1 |
  sed -un '/GUEST kernel/,$ {s/\r//;p}' | tee log.txt
grep -q 'GUEST status 0' log.txt
