//! What stands in the logs that people post and no driver of IOMMUs prints: lines that were left out, kernels of vendors, cards that are assigned,
//! libvirt and Proxmox.

use crate::machine::log::form::{Form, LogKind::*, f};

const V2: &str = "arm-smmu";
const VFIO: &str = "vfio-pci|vfio_pci";
const EXYNOS: &str = "exynos-sysmmu|exynos-iommu|exynos_iommu";

pub(super) const FORMS: &[Form] = &[
    // -- faults of which a kernel prints only some (lib/ratelimit.c) --
    f(Fault, "", "dmar_fault: {n=893} callbacks suppressed", "{n} more lines about faults of Intel's IOMMUs were left out."),
    f(Fault, "", "amd_iommu_report_page_fault: {n=96} callbacks suppressed", "{n} more lines about faults of AMD's IOMMUs were left out."),
    f(Fault, "", "arm_smmu_context_fault: {n=83} callbacks suppressed", "{n} more lines about faults of SMMUs were left out."),
    f(Fault, "", "arm_smmu_global_fault: {n=83} callbacks suppressed", "{n} more lines about global faults of SMMUs were left out."),
    f(Fault, "", "arm_smmu_evtq_thread: {n=83} callbacks suppressed", "{n} more lines about events of SMMUs were left out."),
    f(Fault, "", "arm_smmu_print_evt_info: {n=83} callbacks suppressed", "{n} more lines about events of SMMUs were left out."),
    f(Fault, "", "tegra_mc_irq: {n=42} callbacks suppressed", "{n} more lines about faults of the memory controller were left out."),
    f(Fault, "", "tegra30_mc_handle_irq: {n=42} callbacks suppressed", "{n} more lines about faults of the memory controller were left out."),
    // -- events of AMD that a log broke in two --
    f(Fault, "", "IO_PAGE_FAULT device={dev=05:00.0} domain={x=0x0012} address={addr=0x00000000ff6101c0} flags={flags=0x0070}]", "The IOMMU stopped an access of {device} to address {addr} ({flags}): the driver of the device has not mapped it, or no more."),
    f(Fault, "", "INVALID_DEVICE_REQUEST device={dev=00:00.1} address={addr=0x000000fdf8000020} flags={flags=0x0a00}]", "{device} did what no table can allow, at address {addr}: often an access to the range of interrupts."),
    // -- Qualcomm's own kernels (msm-4.x to 5.x, drivers/iommu/arm-smmu.c) --
    f(Fault, V2, "Unhandled context fault: iova={addr=0x00001000}, cb={n=11}, fsr={fsr=0x402}, fsynr0={fsynr=0x1}, fsynr1={x=0x0}", "{iommu} stopped an access to address {addr}: {fsr}.").opens("context"),
    f(Fault, V2, "Unhandled context fault: iova={addr=0xa09d70c8}, fsr={fsr=0x402}, fsynr={fsynr=0x300003}, cb={n=5}", "{iommu} stopped an access to address {addr}: {fsr}.").opens("context"),
    f(Fault, V2, "FSR = {fsr=40000402} [{text=TF SS}]", "Details of the access: {fsr}.").continues("context"),
    f(Fault, V2, "FAR = {addr=0x000000009c4b9000}", "The access was to address {addr}.").continues("context"),
    f(Fault, V2, "FSYNR0 = {x=0x00110001}", "Details of the access.").continues("context"),
    f(Fault, V2, "FSYNR1 = {x=0x00110001}", "Details of the access.").continues("context"),
    f(Fault, V2, "context bank# : {x=0x16}", "It was in context bank {x}.").continues("context"),
    f(Fault, V2, "SID={sid=0x1806}", "The access carried StreamID {sid}.").continues("context"),
    f(Fault, V2, "client: {text=soc:qcom,msm-audio-apr}", "The domain is that of {text}.").continues("context"),
    f(Fault, "msm_iommu_v1", "Timed out waiting for TLB SYNC to complete for {text=mdp_iommu (client: mdp_ns)}", "The IOMMU did not forget a translation in time: {text}."),
    f(Fault, "", "kgsl kgsl-3d0: GPU PAGE FAULT: addr = {addr=FFFFFFF0} pid = {n=1234}{text= name = com.example}", "The SMMU stopped an access of the graphics unit to address {addr}{text}."),
    f(Fault, "", "*** gpu fault: ttbr0={x=0000000100c4f000} iova={addr=0000000000001000} dir={dir=READ} type={text=TRANSLATION} source={who=CP (0,0,0,1)}", "The SMMU stopped a {dir} of the graphics unit ({who}) at address {addr}: {text} (drivers/gpu/drm/msm)."),
    f(Fault, "", "*** fault: iova={addr=0000000000001000}, flags={x=0}", "The SMMU stopped an access of the graphics unit or the display to address {addr} (drivers/gpu/drm/msm)."),
    f(Fault, "", "*** gpu fault: iova={addr=0000000000001000}, flags={x=0}", "The SMMU stopped an access of the graphics unit to address {addr} (drivers/gpu/drm/msm)."),
    // -- NVIDIA's own kernels --
    f(Fault, "mc-err", "({n=255}) {who=csw_xusb_hostw}: {why=MC request violates VPR requirements}", "The memory controller stopped an access of {who}: {why}."),
    f(Fault, "mc-err", "status = {x=0x0ff740e3}; addr = {addr=0xffffffff00}", "The access was to address {addr}."),
    f(Fault, "mc-err", "Too many MC errors; throttling prints", "More faults of the memory controller were left out."),
    // -- old kernels (2.6 to 4.13) --
    f(Iommu, "", "Intel-IOMMU: enabled", "Intel's IOMMUs are in use.").until("4.2"),
    f(Reserved, "IOMMU", "Prepare 0-16MiB unity mapping for LPC", "The lowest 16 MiB are always mapped for the LPC bridge.").until("4.2"),
    f(Iommu, "", "Placing {n=64}MB software IO TLB between {text=ffff8800bb766000 - ffff8800bf766000}", "Devices that no IOMMU translates and that do not reach all memory go through a buffer.").harmless().until("3.8"),
    f(Iommu, "", "software IO TLB at phys {text=0xbb766000 - 0xbf766000}", "Devices that no IOMMU translates and that do not reach all memory go through a buffer.").harmless().until("3.8"),
    f(Iommu, "AMD-Vi", "Enabling IOMMU at {dev=0000:00:00.2} cap {x=0x40}", "The AMD IOMMU {device} is in use.").until("4.0"),
    f(Iommu, "AMD-Vi", "Initialized for Passthrough Mode", "DMA of the host's own drivers is not translated (iommu=pt).").until("4.6"),
    f(Iommu, "AMD-Vi", "device isolation {text=enabled}", "Isolation of devices: {text}.").until("4.0"),
    f(Iommu, "AMD-Vi", "Extended features: {text=PreF PPR GT IA}", "What the AMD IOMMU can do: {text}.").until("5.10"),
    f(Fault, "DMAR", "ERROR: DMA PTE for vPFN {addr=0x7bf00} already set (to {text=7bf00003} not {what=17a2b0003})", "Two mappings of one address: a driver maps what firmware has mapped, or maps twice.").until("6.10"),
    f(Iommu, "DMAR", "{text=32}bit DMA uses non-identity mapping", "Devices of {text} bits are translated although the others are not (iommu=pt).").until("5.3"),
    f(Domain, "DMAR", "Device uses a private {text=dma} domain.", "{device} has a domain of its own.").until("5.9"),
    f(Reserved, "DMAR", "Failed to create 0-16MiB identity map - floppy might not work", "The lowest 16 MiB are not mapped for the LPC bridge.").until("5.3"),
    f(Iommu, "", "ivrs, add hid:{text=PNPD0040, uid:, rdevid:152}", "The IVRS names a device of ACPI: {text}.").until("6.1"),
    // -- the counters of SMMUv3 (drivers/perf/arm_smmuv3_pmu.c) --
    f(Iommu, "arm-smmu-v3-pmcg", "Registered PMU @ {base=0x0000000000040000} using {n=8} counters with {text=Individual} filter settings", "The counters at {base} can be used (perf).").harmless(),
    f(Iommu, "arm-smmu-v3-pmcg", "option mask {x=0x1}", "Faults of the counters that Linux goes round: {x}.").harmless(),
    // -- Xen, whose log looks alike (xen/drivers/passthrough/) --
    f(Fault, "", "(XEN) [VT-D]DMAR:[{text=DMA Read}] Request device [{dev=0000:00:02.0}] fault addr {addr=9c000000}", "Xen's IOMMU stopped an access of {device} to address {addr} ({text})."),
    f(Fault, "", "(XEN) AMD-Vi: IO_PAGE_FAULT: {dev=0000:02:00.0} d{n=0} addr {addr=00000000fdf00000} flags {flags=0x8 PR}", "Xen's IOMMU stopped an access of {device}, of domain {n}, to address {addr} ({flags})."),
    f(Iommu, "", "(XEN) I/O virtualisation {text=enabled}", "Xen uses IOMMUs: {text}."),
    f(Msi, "", "(XEN) Intel VT-d {text=Interrupt Remapping enabled.}", "Xen's IOMMUs: {text}"),
    // -- other vendors' --
    f(Fault, EXYNOS, "Page table base: {addr=0x6c4c0000}", "The tables of {iommu} were at {addr}."),
    f(Fault, "", "IOMMU intr fault, IOVA[{addr=0x2010040}], STATUS[{x=0x24b}]", "The driver of a Rockchip device says that its IOMMU stopped an access to address {addr}."),
    f(Fault, "", "iommu fault: da {addr=0x60000000} flags {x=0x0}", "The IOMMU of a remote processor stopped an access to address {addr} (drivers/remoteproc/remoteproc_core.c)."),
    f(Fault, "", "DPC: containment event, status:{x=0x1f01} source:{y=0x0000}", "{device} found an error below it and cut its link: what is below is gone until it comes back, with new groups."),
    f(Fault, "", "DPC: containment event, status:{x=0x1f01}: {text=unmasked uncorrectable error detected}", "{device} found an error below it ({text}) and cut its link: what is below is gone until it comes back, with new groups.").since("6.17"),
    f(Refused, "", "Failed to attach to IOMMU group{text=: -19}", "{device} was not put into the domain of its group."),
    // -- a device that is assigned --
    f(Vfio, VFIO, "probe with driver vfio-pci failed with error {errno=-22}", "vfio-pci does not take {device} (error {errno}; -22 where it has no IOMMU group).").since("6.11"),
    f(Vfio, "pci-stub", "claimed by stub", "{device} is kept from the host's drivers, to be assigned."),
    f(Vfio, "", "VFIO_MAP_DMA: {errno=-12}", "Memory of a guest could not be mapped (error {errno}; -12 where the process may not keep so much)."),
    f(Vfio, VFIO, "unknown parameter '{text=disable_vga}' ignored", "vfio-pci has no parameter {text} in this kernel.").harmless(),
    f(Vfio, VFIO, "vgaarb: VGA decodes changed: olddecodes={text=io+mem,decodes=none:owns=none}", "{device} gives up the legacy VGA addresses. Harmless.").since("6.6").harmless(),
    f(Vfio, VFIO, "resetting", "{device} is reset for its user.").harmless(),
    f(Vfio, VFIO, "reset done", "{device} was reset for its user.").harmless(),
    f(Vfio, VFIO, "not ready {n=1023}ms after {text=FLR}; waiting", "{device} has not come back {n} ms after a reset ({text})."),
    f(Vfio, VFIO, "not ready {n=65535}ms after {text=bus reset}; giving up", "{device} did not come back from a reset ({text}): it is lost until the host starts again."),
    f(Vfio, VFIO, "timed out waiting for pending transaction; performing function level reset anyway", "{device} was still at work when it was reset."),
    f(Vfio, VFIO, "Unable to change power state from {text=D3cold} to {what=D0}, device inaccessible", "{device} does not answer any more, often after a bad reset: it is lost until the host starts again."),
    f(Vfio, VFIO, "Refused to change power state from {text=D0} to {what=D3hot}", "{device} does not sleep.").harmless(),
    f(Vfio, VFIO, "Invalid PCI ROM header signature: expecting 0xaa55, got {x=0xffff}", "{device} shows no firmware of its own: a guest that wants it needs a copy in a file (romfile=)."),
    f(Vfio, VFIO, "No more image in the PCI ROM", "The firmware of {device} ends. Harmless.").harmless(),
    f(Vfio, VFIO, "AMD_{text=NAVI10: performing reset}", "A module that is not in Linux (vendor-reset) resets the card: {text}.").harmless(),
    // -- QEMU, libvirt, Proxmox --
    f(Vfio, "", "Verify all devices in group {group=14} are bound to vfio-<bus> or pci-stub and not already in use", "IOMMU group {group} cannot be assigned: a device in it is still with a driver of the host, or in another guest.").code("GRP005 GRP004"),
    f(Vfio, "", "Device {dev=0000:02:00.0} is behind a switch lacking ACS and cannot be assigned", "libvirt does not assign {device}: a switch above it has no ACS, and devices below it reach each other.").code("GRP005 GRP004"),
    f(Vfio, "", "Unable to reset PCI device {dev=0000:01:00.0}: {text=internal error: Active 0000:01:00.1 devices on bus with 0000:01:00.0, not doing bus reset}", "libvirt cannot reset {device}: {text}."),
    f(Vfio, "", "host doesn't support passthrough of host PCI devices", "libvirt finds no IOMMU in use: it is off in the firmware or on the command line (intel_iommu=on), or vfio is not loaded."),
    f(Vfio, "", "unable to set user and group to '{text=64055:109}' on '/dev/vfio/{group=14}': {what=No such file or directory}", "IOMMU group {group} is not with vfio: {what}."),
    f(Vfio, "", "Cannot bind {dev=0000:01:00.0} to vfio", "Proxmox could not give {device} to vfio-pci: see the kernel's log for why."),
    f(Vfio, "", "cannot prepare PCI pass-through, IOMMU not present", "Proxmox finds no IOMMU in use: it is off in the firmware or on the command line (intel_iommu=on)."),
    f(Vfio, "", "No IOMMU detected, please activate it{text=. See Documentation for further information.}", "Proxmox finds no IOMMU in use: it is off in the firmware or on the command line (intel_iommu=on)."),
    f(Vfio, "", "vfio: Cannot reset device {dev=0000:0b:00.1}, depends on group {group=25} which is not owned.", "{device} can only be reset together with IOMMU group {group}, which the guest does not have: it keeps what it was told before."),
    f(Vfio, "", "vfio_err_notifier_handler({dev=0000:01:00.0}) Unrecoverable error detected. Please collect any data possible and then kill the guest", "{device} reported an error that its guest cannot mend."),
    f(Vfio, "", "vfio-pci: Cannot read device rom at {dev=0000:01:00.0}", "The firmware of {device} cannot be read: a guest that wants it needs a copy in a file (romfile=)."),
    f(Vfio, "", "Device option ROM contents are probably invalid (check dmesg).", "The firmware of a device cannot be read: a guest that wants it needs a copy in a file (romfile=)."),
    f(Vfio, "", "Skip option ROM probe with rombar=0, or load from file with romfile=", "The firmware of a device cannot be read: a guest that wants it needs a copy in a file."),
    f(Vfio, "", "vfio_listener_region_{text=add} received unaligned region", "Part of a device's memory is no whole page, and not mapped for others. Harmless.").harmless(),
    f(Vfio, "", "vfio_listener_region_{text=add} received unaligned region {what=tpm-crb-cmd iova=0xfed40080 offset_within_region=0x80 qemu_real_host_page_size=0x1000}", "Part of a device's memory is no whole page, and not mapped for others. Harmless.").harmless(),
    // -- interrupts --
    f(Msi, "", "GIC: enabling workaround for ITS: {text=Rockchip erratum RK3588001}", "A fault of the ITS is worked around: {text}.").harmless(),
    f(Msi, "", "GICv3: MBI range [{n=424}:{m=479}]", "Interrupts {n} to {m} can be sent as MSIs without an ITS.").harmless(),
    f(Msi, "", "GICv3: Using MBI frame {base=0x00000000fe610000}", "MSIs without an ITS are written to {base}.").harmless(),
];
