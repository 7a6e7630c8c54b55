//! Lines as people paste them: forums, bug trackers, mailing lists. Written from the wordings of kernels 4.14 to 7.3; ids and addresses are
//! ours.

use std::fs;
use std::path::Path;

use fwspec::Dialect;
use fwspec::answer::LogDocument;
use fwspec::machine::log::{Log, LogKind};
use fwspec::machine::{Collector, Machine};

fn kind(line: &str) -> Option<LogKind> {
    Log::read(line.as_bytes()).entries.first().map(|entry| entry.form.kind)
}

/// A line, and what it is about.
const LINES: &[(&str, &str)] = &[
    // -- assignment on PCs --
    ("group-add", "[    0.412345] pci 0000:00:01.0: Adding to iommu group 1"),
    ("group-add", "[    0.873512] iommu: Adding device 0000:01:00.1 to group 1"),
    ("group-add", "kernel: vfio-pci 0000:0a:00.0: Adding to iommu group 24"),
    ("group-add", "Jan 03 10:11:12 pve kernel: pci 0000:c1:00.0: Adding to iommu group 41"),
    ("group-remove", "[ 1234.567890] pci 0000:65:00.0: Removing from iommu group 12"),
    ("group-remove", "[  233.000001] iommu: Removing device 0000:02:10.0 from group 16"),
    (
        "vfio",
        "[   56.123456] vfio-pci 0000:01:00.0: vgaarb: changed VGA decodes: olddecodes=io+mem,decodes=io+mem:owns=none",
    ),
    ("vfio", "[   60.001000] vfio-pci 0000:01:00.0: enabling device (0000 -> 0003)"),
    ("vfio", "[   60.101000] vfio_ecap_init: 0000:01:00.0 hiding ecap 0x19@0x900"),
    ("vfio", "[   61.201000] vfio-pci 0000:01:00.0: vfio_ecap_init: hiding ecap 0x1e@0x258"),
    ("vfio", "[    2.345678] VFIO - User Level meta-driver version: 0.3"),
    ("vfio", "[    3.456789] vfio_pci: add [10de:1b80[ffffffff:ffffffff]] class 0x000000/00000000"),
    (
        "vfio",
        "[   99.000000] vfio-pci 0000:01:00.0: BAR 3: can't reserve [mem 0xe0000000-0xe1ffffff 64bit pref]",
    ),
    ("vfio", "[  101.111111] vfio-pci 0000:0a:00.0: vfio_bar_restore: reset recovery - restoring BARs"),
    ("vfio", "[  102.000000] vfio_bar_restore: 0000:0a:00.0 reset recovery - restoring bars"),
    (
        "vfio",
        "vfio_iommu_type1_attach_group: No interrupt remapping support.  Use the module param \"allow_unsafe_interrupts\" to enable VFIO IOMMU support on this platform",
    ),
    ("vfio", "vfio-pci: probe of 0000:01:00.0 failed with error -22"),
    (
        "vfio",
        "qemu-system-x86_64: -device vfio-pci,host=01:00.0,id=hostdev0: vfio 0000:01:00.0: group 1 is not viable",
    ),
    ("vfio", "Please ensure all devices within the iommu_group are bound to their vfio bus driver."),
    (
        "vfio",
        "kvm: -device vfio-pci,host=0000:03:00.0: vfio 0000:03:00.0: failed to setup container for group 14: Failed to set iommu for container: Operation not permitted",
    ),
    (
        "vfio",
        "qemu-system-x86_64: vfio_dma_map(0x55f2b8, 0x380000000000, 0x1000000, 0x7f0) = -22 (Invalid argument)",
    ),
    ("vfio", "kvm: ../hw/vfio/pci.c:1653: vfio 0000:04:00.0: no iommu_group found"),
    (
        "vfio",
        "internal error: qemu unexpectedly closed the monitor: vfio: error getting device from group 15: Permission denied",
    ),
    ("vfio", "vfio-pci 0000:03:00.0: Relaying device request to user (#0)"),
    ("vfio", "vfio-pci 0000:03:00.0: No device request channel registered, blocked until released by user"),
    ("vfio", "[ 1000.000001] vfio_pin_pages_remote: RLIMIT_MEMLOCK (65536) exceeded"),
    ("vfio", "vfio_iommu_type1: Task qemu-system-x86 (4242) RLIMIT_MEMLOCK (8388608) exceeded"),
    ("vfio", "vfio-pci 0000:41:02.0: VF token required to access device"),
    ("vfio", "vfio-pci 0000:06:00.0: Masking broken INTx support"),
    ("vfio", "irq bypass producer (token 00000000d1ab2c3e) registration fails: -22"),
    (
        "reserved",
        "[   12.340000] vfio-pci 0000:02:00.0: Firmware has requested this device have a 1:1 IOMMU mapping, rejecting configuring the device without a 1:1 mapping. Contact your platform vendor.",
    ),
    (
        "domain",
        "[    0.000000] Warning: PCIe ACS overrides enabled; This may allow non-IOMMU protected peer-to-peer DMA",
    ),
    ("domain", "[    0.531000] pci 0000:00:1c.0: Intel PCH root port ACS workaround enabled"),
    ("domain", "[    0.532000] pci 0000:00:1b.0: Intel SPT PCH root port ACS workaround enabled"),
    ("domain", "pci 0000:00:1c.4: Failed to enable Intel PCH ACS quirk"),
    ("iommu", "[    0.600000] pci 0000:04:00.0: Enabling fixed DMA alias to 00.1"),
    ("iommu", "pci 0000:09:00.0: Enabling fixed DMA alias for devfn range from 00.0 to 1f.7"),
    // -- Intel --
    ("iommu", "[    0.000000] DMAR: IOMMU enabled"),
    (
        "iommu",
        "[    0.018734] ACPI: DMAR 0x000000007A2B3000 0000A8 (v01 INTEL  EDK2     00000002      01000013)",
    ),
    ("iommu", "[    0.101010] DMAR: Host address width 39"),
    ("iommu", "[    0.101011] DMAR: DRHD base: 0x000000fed90000 flags: 0x0"),
    (
        "iommu",
        "[    0.101012] DMAR: dmar0: reg_base_addr fed90000 ver 4:0 cap 1c0000c40660462 ecap 49e2ff0505e",
    ),
    ("reserved", "[    0.101013] DMAR: RMRR base: 0x0000007b000000 end: 0x0000007f7fffff"),
    ("iommu", "DMAR: ANDD device: 1 name: \\_SB.PCI0.I2C0"),
    ("iommu", "DMAR: ATSR flags: 0x0"),
    ("iommu", "DMAR: RHSA base: 0x000000fbffc000 proximity domain: 0x0"),
    ("iommu", "DMAR: No ATSR found"),
    ("iommu", "DMAR: No RMRR found"),
    ("iommu", "DMAR: dmar0: Using Queued invalidation"),
    ("iommu", "DMAR: IOMMU feature pgsel_inv inconsistent"),
    ("iommu", "DMAR: IOMMU feature sc_support inconsistent"),
    ("iommu", "DMAR: Intel(R) Virtualization Technology for Directed I/O"),
    ("iommu", "DMAR: Disabling IOMMU for graphics on this chipset"),
    ("iommu", "pci 0000:00:02.0: DMAR: Disabling IOMMU for graphics on this chipset"),
    ("iommu", "pci 0000:00:02.0: DMAR: Skip IOMMU disabling for graphics"),
    ("iommu", "DMAR: Intel-IOMMU force enabled due to platform opt in"),
    ("iommu", "DMAR: No DMAR devices found"),
    ("iommu", "PCI-DMA: Using software bounce buffering for IO (SWIOTLB)"),
    ("msi", "DMAR-IR: Enabled IRQ remapping in x2apic mode"),
    ("msi", "DMAR-IR: IOAPIC id 2 under DRHD base  0xfed91000 IOMMU 1"),
    ("msi", "DMAR-IR: HPET id 0 under DRHD base 0xfed91000"),
    ("msi", "DMAR-IR: Queued invalidation will be enabled to support x2apic and Intr-remapping."),
    ("msi", "DMAR-IR: x2apic is disabled because BIOS sets x2apic opt out bit."),
    ("msi", "DMAR-IR: Use 'intremap=no_x2apic_optout' to override the BIOS setting."),
    ("msi", "DMAR-IR: Failed to enable irq remapping.  You are vulnerable to irq-injection attacks."),
    ("msi", "x2apic: IRQ remapping doesn't support X2APIC mode"),
    ("firmware-bug", "DMAR: [Firmware Bug]: Your BIOS is broken; DMAR reported at address 0!"),
    (
        "firmware-bug",
        "DMAR: [Firmware Bug]: Your BIOS is broken; DMAR reported at address fed90000 returns all ones!",
    ),
    ("firmware-bug", "BIOS vendor: Dell Inc.; Ver: A12; Product Version: "),
    ("firmware-bug", "DMAR: [Firmware Bug]: RMRR entry for device 07:00.0 is broken - applying workaround"),
    (
        "firmware-bug",
        "DMAR: [Firmware Bug]: No firmware reserved region can cover this RMRR [0x00000000e2000000-0x00000000e21fffff], contact BIOS vendor for fixes",
    ),
    (
        "firmware-bug",
        "DMAR: [Firmware Bug]: Your BIOS is broken; bad RMRR [0x000000007a000000-0x0000000079ffffff]",
    ),
    (
        "firmware-bug",
        "DMAR-IR: [Firmware Bug]: ioapic 8 has no mapping iommu, interrupt remapping will be disabled",
    ),
    ("firmware-bug", "DMAR: Parse DMAR table failure."),
    ("firmware-bug", "DMAR: [Firmware Bug]: No DRHD structure found in DMAR table"),
    ("firmware-bug", "DMAR: Device scope type does not match for 0000:00:1f.0"),
    ("fault", "DMAR: DRHD: handling fault status reg 3"),
    (
        "fault",
        "DMAR: [DMA Read] Request device [01:00.0] fault addr fffbe000 [fault reason 06] PTE Read access is not set",
    ),
    (
        "fault",
        "DMAR: [DMA Write] Request device [03:00.0] PASID ffffffff fault addr 7f2a000 [fault reason 05] PTE Write access is not set",
    ),
    (
        "fault",
        "DMAR: [DMA Write NO_PASID] Request device [04:00.1] fault addr 0xfff00000 [fault reason 0x02] Present bit in context entry is clear",
    ),
    (
        "fault",
        "DMAR: [DMA Read NO_PASID] Request device [0000:00:02.0] fault addr 0x7c400000 [fault reason 0x0c] non-zero reserved fields in PTE",
    ),
    (
        "fault",
        "dmar_fault: 23 callbacks suppressed DMAR: [DMA Write] Request device [07:00.1] fault addr fff80000 [fault reason 02] Present bit in context entry is clear",
    ),
    (
        "fault",
        "DMAR: [INTR-REMAP] Request device [f0:1f.7] fault index 0x0 [fault reason 0x25] Blocked a compatibility format interrupt request",
    ),
    ("fault", "DMAR: INTR-REMAP: Request device [[00:14.0] fault index 1f"),
    ("fault", "DMAR: VT-d detected Invalidation Time-out Error: SID 300"),
    ("fault", "DMAR: QI HEAD: Invalidation Wait qw0 = 0x200000025, qw1 = 0x1003a0c1c"),
    ("fault", "DMAR: Invalidation Time-out Error (ITE) cleared"),
    // -- AMD --
    ("iommu", "AMD-Vi: Using global IVHD EFR:0x246577efa2254afa, EFR2:0x0"),
    ("iommu", "AMD-Vi: Extended features (0x246577efa2254afa, 0x0): PPR NX GT [5] IA GA PC GA_vAPIC"),
    ("iommu", "pci 0000:00:00.2: AMD-Vi: Extended features (0x58f77ef22294a5a): PPR NX GT IA PC GA_vAPIC"),
    ("iommu", "AMD-Vi: Found IOMMU at 0000:00:00.2 cap 0x40"),
    ("iommu", "pci 0000:00:00.2: AMD-Vi: Found IOMMU cap 0x40"),
    ("iommu", "pci 0000:00:00.2: AMD-Vi: IOMMU performance counters supported"),
    ("iommu", "pci 0000:00:00.2: AMD-Vi: Unable to read/write to IOMMU perf counter."),
    ("iommu", "perf/amd_iommu: Detected AMD IOMMU #0 (2 banks, 4 counters/bank)."),
    ("iommu", "AMD-Vi: AMD IOMMUv2 loaded and initialized"),
    ("iommu", "AMD IOMMUv2 functionality not available on this system"),
    ("iommu", "AMD-Vi: ivrs, add hid:AMDI0020, uid:\\_SB.FUR0, rdevid:160"),
    ("msi", "AMD-Vi: Interrupt remapping enabled"),
    ("msi", "AMD-Vi: X2APIC enabled"),
    ("msi", "AMD-Vi: Virtual APIC enabled"),
    ("msi", "AMD-Vi: Disabling interrupt remapping"),
    ("domain", "AMD-Vi: Lazy IO/TLB flushing enabled"),
    ("firmware-bug", "[Firmware Bug]: AMD-Vi: IOAPIC[33] not in IVRS table"),
    ("firmware-bug", "AMD-Vi: [Firmware Bug]: : No southbridge IOAPIC found"),
    (
        "firmware-bug",
        "AMD-Vi: [Firmware Warn]: EFR mismatch. Use IVHD EFR (0xf77ef22294ada : 0x400f77ef22294ada).",
    ),
    (
        "fault",
        "AMD-Vi: Event logged [IO_PAGE_FAULT device=0a:00.0 domain=0x0013 address=0xfd400000 flags=0x0010]",
    ),
    (
        "fault",
        "AMD-Vi: Event logged [IO_PAGE_FAULT device=0000:0a:00.0 domain=0x0000 address=0x0 flags=0x0050]",
    ),
    (
        "fault",
        "nvme 0000:01:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000f address=0xffb80000 flags=0x0000]",
    ),
    (
        "fault",
        "amdgpu 0000:0a:00.0: Event logged [IO_PAGE_FAULT domain=0x0000 address=0x10c1c0000 flags=0x0070]",
    ),
    ("fault", "AMD-Vi: Event logged [IOTLB_INV_TIMEOUT device=0000:0c:00.0 address=0x7fe0d6a80]"),
    (
        "fault",
        "AMD-Vi: Event logged [INVALID_DEVICE_REQUEST device=00:00.1 pasid=0x00000 address=0xfffffffdf8040000 flags=0x0a00]",
    ),
    (
        "fault",
        "AMD-Vi: Event logged [ILLEGAL_DEV_TABLE_ENTRY device=02:00.0 pasid=0x00000 address=0xfffffffdf8000000 flags=0x0a00]",
    ),
    ("fault", "AMD-Vi: Completion-Wait loop timed out"),
    ("fault", "iommu ivhd0: AMD-Vi: Event logged [IOTLB_INV_TIMEOUT device=0a:00.0 address=0x40f0a3b50]"),
    (
        "fault",
        "iommu ivhd0: Event logged [INVALID_DEVICE_REQUEST device=26:00.0 pasid=0x00000 address=0xfffffffdf8140200 flags=0x0a00]",
    ),
    ("fault", "AMD-Vi: IOMMU 0000:00:00.2: Completion-Wait loop timed out"),
    // -- Arm servers --
    ("iommu", "arm-smmu-v3 arm-smmu-v3.0.auto: option mask 0x10"),
    ("iommu", "arm-smmu-v3 arm-smmu-v3.0.auto: ias 48-bit, oas 48-bit (features 0x00041fff)"),
    ("iommu", "arm-smmu-v3 arm-smmu-v3.1.auto: allocated 524288 entries for cmdq"),
    ("iommu", "arm-smmu-v3 arm-smmu-v3.1.auto: 2-level strtab only covers 25/32 bits of SID"),
    ("iommu", "arm-smmu-v3 arm-smmu-v3.1.auto: msi_domain absent - falling back to wired irqs"),
    ("iommu", "ACPI: IORT: SMMU-v3[2b400000] Mapped to Proximity domain 0"),
    ("iommu", "[    3.141592] arm-smmu-v3 2b400000.iommu: SMMU currently enabled! Resetting..."),
    ("iommu", "arm-smmu-v3 arm-smmu-v3.3.auto: IDR0.COHACC overridden by FW configuration (false)"),
    ("fault", "arm-smmu-v3 arm-smmu-v3.3.auto: event 0x10 received:"),
    ("fault", "arm-smmu-v3 arm-smmu-v3.3.auto: \t0x0000010000000010"),
    (
        "fault",
        "arm-smmu-v3 arm-smmu-v3.3.auto: event: F_TRANSLATION client: 0003:01:00.0 sid: 0x100 ssid: 0x0 iova: 0xfff00000 ipa: 0x0",
    ),
    (
        "fault",
        "arm-smmu-v3 arm-smmu-v3.3.auto: unpriv data write s1 \"Input address caused fault\" stag: 0x0",
    ),
    (
        "fault",
        "arm-smmu-v3 arm-smmu-v3.3.auto: CMD_SYNC timeout at 0x00000e3b [hwprod 0x00000e3d, hwcons 0x00000e3b]",
    ),
    ("fault", "arm-smmu-v3 arm-smmu-v3.2.auto: CMD_SYNC timeout"),
    ("fault", "arm-smmu-v3 fc900000.iommu: EVTQ overflow detected -- events lost"),
    (
        "fault",
        "arm-smmu-v3 fc900000.iommu: unexpected global error reported (0x00000001), this could be serious",
    ),
    ("fault", "arm-smmu-v3 fc900000.iommu: CMDQ error (cons 0x01000019): ATC invalidate timeout"),
    ("fault", "arm-smmu-v3 arm-smmu-v3.0.auto: GERROR MSI write aborted"),
    ("fault", "arm-smmu-v3 arm-smmu-v3.0.auto: EVTQ MSI write aborted"),
    ("refused", "pci 0001:02:00.0: Aliasing StreamID 0x10200 unsupported, expect DMA to be broken"),
    ("refused", "pci-stub 0000:04:00.0: stream 1024 already in tree from dev 0000:03:00.0"),
    ("refused", "pci 0000:01:00.0: stream ID 0x10100 out of range for SMMU (0xffff)"),
    (
        "firmware-bug",
        "ACPI: IORT: [Firmware Bug]: [map (____ptrval____)] conflicting mapping for input ID 0x800",
    ),
    (
        "firmware-bug",
        "ACPI: IORT: [Firmware Bug]: [node 00000000a1b2c3d4 type 2] ID map has NULL parent reference",
    ),
    ("firmware-bug", "ACPI: IORT: iort node pointer overflows, bad table"),
    ("msi", "ITS@0x0000000040040000: allocated 8192 Devices @8020400000 (indirect, esz 8, psz 64K, shr 1)"),
    ("msi", "ITS [mem 0x40040000-0x4005ffff]"),
    ("msi", "ITS: No ITS available, not enabling LPIs"),
    ("msi", "ITS queue timeout (12640 12609)"),
    ("msi", "ITS cmd its_build_mapd_cmd failed"),
    ("msi", "GICv3: CPU0: using allocated LPI pending table @0x0000008020410000"),
    ("msi", "GICv3: using LPI property table @0x0000008020400000"),
    ("msi", "PCI/MSI: ITS@0x40040000 domain created"),
    ("msi", "Platform MSI: ITS@0x40040000 domain created"),
    ("msi", "SRAT: PXM 0 -> ITS 0 -> Node 0"),
    ("firmware-bug", "GICv3: CPU1: Booted with LPIs enabled, memory probably corrupted"),
    // -- boards --
    ("iommu", "arm-smmu 12000000.iommu: probing hardware configuration..."),
    ("iommu", "arm-smmu 12000000.iommu: SMMUv2 with:"),
    ("iommu", "arm-smmu 12000000.iommu: \tstage 1 translation"),
    ("iommu", "arm-smmu 12000000.iommu: \tstream matching with 128 register groups"),
    ("iommu", "arm-smmu 12000000.iommu: \t64 context banks (0 stage-2 only)"),
    ("iommu", "arm-smmu 12000000.iommu: \tStage-1: 48-bit VA -> 48-bit IPA"),
    ("iommu", "arm-smmu 12000000.iommu: \tnon-coherent table walk"),
    ("iommu", "arm-smmu 15000000.iommu: \tpreserved 13 boot mappings"),
    (
        "fault",
        "arm-smmu 12000000.iommu: Unhandled context fault: fsr=0x80000402, iova=0xffffffff0000, fsynr=0x10011, cbfrsynra=0x404, cb=1",
    ),
    (
        "fault",
        "arm-smmu 12000000.iommu: Unhandled context fault: fsr=0x402, iova=0x3e8000000, fsynr=0x60000, cb=0",
    ),
    ("fault", "arm-smmu 3da0000.iommu: FSR    = 00000402 [Format=2 TF], SID=0x0"),
    ("fault", "arm-smmu 3da0000.iommu: FSYNR0 = 00000021 [S1CBNDX=0 WNR PLVL=1]"),
    ("fault", "arm-smmu 12000000.iommu: Unexpected global fault, this could be serious"),
    (
        "fault",
        "arm-smmu 12000000.iommu: \tGFSR 0x80000002, GFSYNR0 0x00000000, GFSYNR1 0x00000013, GFSYNR2 0x00000000",
    ),
    (
        "fault",
        "arm-smmu 5000000.iommu: Blocked unknown Stream ID 0x1002; boot with \"arm-smmu.disable_bypass=0\" to allow, but this may have security implications",
    ),
    ("fault", "arm-smmu 5040000.iommu: TLB sync timed out -- SMMU may be deadlocked"),
    (
        "fault",
        "tegra-mc 2c00000.memory-controller: pcie0r: secure read @0x00000003ffffff00: EMEM address decode error (SMMU translation error)",
    ),
    ("iommu", "tegra-mc 2c00000.memory-controller: unable to get irq"),
    ("fault", "rk_iommu fdba4800.iommu: Page fault at 0x00000000ffe00000 of type read"),
    (
        "fault",
        "rk_iommu fdba4800.iommu: iova = 0x00000000ffe00000: dte_index: 0x3ff pte_index: 0x200 page_offset: 0x0",
    ),
    ("fault", "rk_iommu ff903f00.iommu: Enable stall request timed out, status: 0x00004b"),
    ("fault", "rk_iommu ff914000.iommu: Error during raw reset. MMU_DTE_ADDR is not functioning"),
    (
        "fault",
        "apple-dart 682008000.iommu: translation fault: status:0x80000002 stream:0 code:0x2 (NO_PMD_FOR_IOVA) at 0x10004000",
    ),
    (
        "iommu",
        "apple-dart 682008000.iommu: DART [pagesize 4000, 16 streams, bypass support: 0, bypass forced: 0, AS 36 -> 36] initialized",
    ),
    (
        "fault",
        "mtk-iommu 14018000.iommu: fault type=0x5 iova=0x1ffff0000 pa=0x0 master=0x5000420(larb=4 port=2) layer=0 write",
    ),
    ("fault", "exynos-sysmmu 14650000.sysmmu: 14450000.mixer: [WRITE] PAGE FAULT occurred at 0x20500000"),
    ("fault", "sun50i-iommu 30f0000.iommu: Page fault for 0x00000000ffc00000 (master 1, dir rd)"),
    ("fault", "ipmmu-vmsa fe990000.mmu: Unhandled fault: status 0x00000101 iova 0x7fe0000000"),
    (
        "fault",
        "qcom-iommu-ctx 1e24000.iommu-ctx: Unhandled context fault: fsr=0x2, iova=0x0000000010000000, fsynr=0x0, cb=4",
    ),
    (
        "deferred",
        "platform 3d00000.gpu: deferred probe pending: platform: wait for supplier /soc@0/iommu@3da0000",
    ),
    ("deferred", "platform fe310000.pcie: deferred probe pending"),
    ("deferred", "qcom-geni-se 8c0000.geniqup: deferred probe timeout, ignoring dependency"),
    ("deferred", "arm-smmu: probe of 15000000.iommu failed with error -22"),
    ("deferred", "arm-smmu 15000000.iommu: probe with driver arm-smmu failed with error -16"),
    ("iommu", "OF: /pcie@fd0e0000: no msi-map translation for id 0x100 on (null)"),
    (
        "firmware-bug",
        "OF: /soc/pcie@1c00000: Invalid iommu-map translation - iommu-map-mask (0xff00) ignores id-base (0x1)",
    ),
    (
        "reserved",
        "platform 3d00000.gpu: treating non-direct mapping [mem 0x80000000-0x80ffffff] -> [0xc0000000-0xc0ffffff] as reservation",
    ),
    (
        "iommu",
        "bcm2835-dma fe007b00.dma: swiotlb buffer is full (sz: 65536 bytes), total 32768 (slots), used 12 (slots)",
    ),
    ("domain", "iommu: Default domain type: Translated (set via kernel command line)"),
    ("domain", "iommu: DMA domain TLB invalidation policy: lazy mode (set via kernel command line)"),
    ("domain", "iommu: Default domain type: Passthrough"),
    ("msi", "fsl_mc_dprc dprc.1: Failed to allocate IRQs pool"),
    ("iommu", "fsl_mc_bus 80c000000.fsl-mc: MC firmware version: 10.32.0"),
    // -- RISC-V and virtual machines --
    ("iommu", "riscv,iommu 3010000.iommu: using wire-signaled interrupts"),
    ("iommu", "riscv,iommu RSCV0004:00: using MSIs"),
    ("fault", "riscv,iommu 3010000.iommu: Fault 258 devid: 0x100 iotval: 80000000 iotval2: 0"),
    ("fault", "riscv_iommu_pci 0000:00:01.0: Hardware error: command execution timeout"),
    ("iommu", "virtio_iommu virtio1: input address: 64 bits"),
    ("fault", "virtio_iommu virtio1: page fault from EP 24 at 0xffffe000 [ W ]"),
    ("fault", "virtio_iommu virtio1: domain fault from EP 24"),
];

#[test]
fn lines_that_people_paste_are_understood() {
    let mut wrong = Vec::new();
    for (wanted, line) in LINES {
        let found = kind(line).map(LogKind::word);
        if found != Some(*wanted) {
            wrong.push(format!("{found:?}, not {wanted}: {line}"));
        }
    }
    assert!(LINES.len() > 180);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), LINES.len(), wrong.join("\n"));
}

#[test]
fn what_a_line_names_is_taken_from_it() {
    let facts = |line: &str| Log::read(line.as_bytes()).entries.remove(0).facts;
    let dmar = facts(
        "DMAR: [DMA Write NO_PASID] Request device [04:00.1] fault addr 0xfff00000 [fault reason 0x02] Present bit in context entry is clear",
    );
    assert_eq!((dmar.device.as_deref(), dmar.address), (Some("0000:04:00.1"), Some(0xfff0_0000)));
    let amd = facts(
        "nvme 0000:01:00.0: AMD-Vi: Event logged [IO_PAGE_FAULT domain=0x000f address=0xffb80000 flags=0x0000]",
    );
    assert_eq!((amd.device.as_deref(), amd.address), (Some("0000:01:00.0"), Some(0xffb8_0000)));
    let context = facts(
        "arm-smmu 12000000.iommu: Unhandled context fault: fsr=0x402, iova=0x1000, fsynr=0x10011, cbfrsynra=0x80000404, cb=1",
    );
    assert_eq!(
        (context.iommu.as_deref(), context.stream.map(|id| id.0)),
        (Some("12000000.iommu"), Some(0x404))
    );
    let alias = facts(
        "pci 0001:02:00.0: Aliasing StreamID 0x10200 (from 0001:01:00.0) unsupported, expect DMA to be broken",
    );
    assert_eq!(
        (alias.device.as_deref(), alias.other.as_deref()),
        (Some("0001:02:00.0"), Some("0001:01:00.0"))
    );
    let fixed = facts("pci 0000:04:00.0: Enabling fixed DMA alias to 00.1");
    assert_eq!(
        (fixed.device.as_deref(), fixed.other.as_deref()),
        (Some("0000:04:00.0"), Some("0000:04:00.1"))
    );
    let timeout = facts("DMAR: VT-d detected Invalidation Time-out Error: SID 300");
    assert_eq!(timeout.device.as_deref(), Some("0000:03:00.0"));
    let riscv = facts("riscv,iommu 3010000.iommu: Fault 258 devid: 0x100 iotval: 80000000 iotval2: 0");
    assert_eq!((riscv.stream.map(|id| id.0), riscv.address), (Some(0x100), Some(0x8000_0000)));
    let word = facts("arm-smmu-v3 9050000.smmuv3: \t0x0005e20000000010");
    assert_eq!((word.stream.map(|id| id.0), word.event), (Some(0x5e200), Some(0x10)));
}

#[test]
fn lines_about_something_else_are_only_counted() {
    let other = "[    1.000000] usb 1-1: new high-speed USB device number 2 using xhci_hcd\n\
        [    1.100000] pci 0000:00:1f.0: [8086:7a04] type 00 class 0x060100 conventional PCI endpoint\n\
        [    1.200000] nvme nvme0: 8/0/0 default/read/poll queues\n\
        [    1.300000] systemd[1]: Failed to start something.service - Something.\n\
        [    1.400000] EXT4-fs (sda1): mounted filesystem with ordered data mode\n\
        [    1.500000]  ? __pfx_pci_iommu_init+0x10/0x10\n\
        [    1.600000] xhci_hcd 0000:00:14.0: failed to get ready\n";
    let log = Log::read(other.as_bytes());
    let listed: Vec<&str> = log.entries.iter().map(|entry| entry.text.as_str()).collect();
    assert_eq!((log.lines_read, log.unrelated), (7, 7), "{listed:?}");
}

#[test]
fn a_line_about_iommus_that_no_form_has_is_listed_as_such() {
    let log = Log::read(b"arm-smmu-v3 arm-smmu-v3.0.auto: the moon is in the wrong phase\n");
    assert_eq!(log.entries[0].form.kind, LogKind::Other);
    assert_eq!(log.unrelated, 0);
}

/// The sentence of a line.
fn said(line: &str) -> String {
    let log = Log::read(line.as_bytes());
    log.entries.first().map(|entry| entry.facts.sentence(entry.form)).unwrap_or_default()
}

#[test]
fn a_line_is_said_as_its_driver_means_it() {
    let cases = [
        (
            "DMAR: DRHD base: 0x000000fed90000 flags: 0x0",
            "Firmware describes an Intel IOMMU at 0xfed90000, for the functions that it names.",
        ),
        (
            "DMAR: DRHD base: 0x000000fed91000 flags: 0x1",
            "Firmware describes an Intel IOMMU at 0xfed91000, for all functions that no other names.",
        ),
        (
            "exynos-sysmmu 13620000.sysmmu: 14450000.mixer: [READ] PAGE FAULT occurred at 0x20000000",
            "13620000.sysmmu stopped a READ of 14450000.mixer at address 0x20000000 (PAGE).",
        ),
        (
            "tegra-mc 70019000.memory-controller: gpusrd: read @0xfffb1000: EMEM address decode error (EMEM decode error)",
            "The memory controller stopped a read of gpusrd at address 0xfffb1000: EMEM decode error. An EMEM decode error is an address outside of memory; else the driver of that client has not mapped it, or the client is not behind the SMMU in the device tree.",
        ),
        (
            "tegra-mc 2c00000.memory-controller: nvdecsrd: secure read @0x00000000ffff0000: VPR violation (Carveout violation)",
            "The memory controller stopped a secure read of nvdecsrd at address 0xffff0000: that is protected memory of video, which this client may not reach (Carveout violation).",
        ),
        (
            "[   12.5] tegra-mc 2c00000.memory-controller: pcie5w: write @0x0000000012345000: Route Sanity error (TrustZone violation)",
            "The memory controller stopped a write of pcie5w at address 0x12345000: it does not lead to where the client may go (TrustZone violation).",
        ),
        (
            "tegra-mc 8020000.memory-controller: unknown: secure write @0x0000000012345000: External interrupt (NA)",
            "The memory controller stopped a secure write of unknown at address 0x12345000: External interrupt (NA).",
        ),
        (
            "tegra-mc 8020000.memory-controller: pcie5: @0x0000000012345000: Reserved PA error status: 0x40",
            "The memory controller stopped an access of pcie5 to address 0x12345000: Reserved PA error.",
        ),
        (
            "DMAR: [Firmware Bug]: Your BIOS is broken; bad RMRR [0x0000000030000000-0x000000003000ffff]",
            "Firmware wants 0x30000000 to 0x000000003000ffff always mapped, and its own map of memory does not reserve that for it.",
        ),
        (
            "DMAR: [Firmware Bug]: Your BIOS is broken; bad RMRR [0x0000000030000000-0x0000000020000fff]",
            "Firmware wants 0x30000000 to 0x0000000020000fff always mapped, and that ends before it starts.",
        ),
        (
            "DMAR: [Firmware Bug]: Your BIOS is broken; bad RMRR [0x0000000030000800-0x000000003000ffff]",
            "Firmware wants 0x30000800 to 0x000000003000ffff always mapped, and that does not start and end at a page of 4 KiB.",
        ),
        (
            "Your BIOS is broken; RMRR ends before it starts!",
            "Linux says that firmware's DMAR table is wrong: RMRR ends before it starts.",
        ),
        (
            "platform 3d40000.gpu: deferred probe pending: (reason unknown)",
            "3d40000.gpu never started: it still waits (reason unknown). Where that names an IOMMU, its driver is missing or failed.",
        ),
        (
            "pci 0000:01:00.0: Adding to iommu group 99999999999999999999",
            "0000:01:00.0 is in IOMMU group 99999999999999999999.",
        ),
        (
            "rk_iommu fdf00000.iommu: Page fault at 0x10000000000000000 of type read",
            "fdf00000.iommu stopped a read at address 0x10000000000000000: the driver of the device behind it has not mapped it, or no longer.",
        ),
        (
            "arm-smmu-v3 arm-smmu-v3.0.auto: probe with driver arm-smmu-v3 failed with error -34",
            "The driver arm-smmu-v3 gave arm-smmu-v3.0.auto up (error -34, ERANGE, an id is too large).",
        ),
    ];
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(line, wanted)| said(line) != *wanted)
        .map(|(line, wanted)| format!("{line}\n  wanted {wanted}\n  found  {}", said(line)))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lines_of_older_kernels_are_understood() {
    for line in [
        "Device is ineligible for IOMMU domain attach due to platform RMRR requirement.  Contact your platform vendor.",
        "vfio-pci 0000:02:00.0: Device is ineligible for IOMMU domain attach due to platform RMRR requirement.  Contact your platform vendor.",
        "[    1.1] DMAR: Device is ineligible for IOMMU domain attach due to platform RMRR requirement. Contact your platform vendor.",
        "DMAR: Setting RMRR:",
        "DMAR: Setting identity map for device 0000:00:02.0 [0xcf800000 - 0xdfffffff]",
        "Setting identity map for device 0000:00:02.0 [0xcf800000 - 0xdfffffff]",
    ] {
        let log = Log::read(line.as_bytes());
        assert_eq!(log.entries.first().map(|entry| entry.form.kind), Some(LogKind::Reserved), "{line}");
        assert_eq!(log.entries.first().map(|entry| entry.form.codes), Some("DMAR013"), "{line}");
    }
    assert_eq!(kind("DMAR: Hardware identity mapping for device 0000:00:1f.2"), Some(LogKind::Domain));
    assert_eq!(kind("DMAR: Software identity mapping for device 0000:00:1f.2"), Some(LogKind::Domain));
    let full = "OF: /soc/pcie@10000000: Invalid iommu-map translation - iommu-map-mask (0xff) ignores rid-base (0x100)";
    for line in [full, "OF: iommu-map-mask (0xff) ignores rid-base", "iommu-map-mask (0xff) ignores rid-base"]
    {
        assert_eq!(kind(line), Some(LogKind::FirmwareBug), "{line}");
    }
}

#[test]
fn a_command_line_with_words_about_iommus_is_listed() {
    let line =
        "[    0.0] Kernel command line: BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet intel_iommu=on iommu=pt";
    assert_eq!(said(line), "The command line has words about IOMMUs: intel_iommu=on iommu=pt.");
    let log = Log::read(line.as_bytes());
    assert_eq!(
        log.command_line.as_deref(),
        Some("BOOT_IMAGE=/vmlinuz root=/dev/sda1 ro quiet intel_iommu=on iommu=pt")
    );
    assert_eq!(log.unrelated, 0);
    // One without is known, and only counted.
    let log = Log::read(b"[    0.0] Kernel command line: root=/dev/sda1 ro quiet -- iommu=pt\n");
    assert_eq!((log.entries.len(), log.unrelated), (0, 1));
    assert_eq!(log.command_line.as_deref(), Some("root=/dev/sda1 ro quiet -- iommu=pt"));
}

#[test]
fn a_line_leads_to_the_finding_that_says_the_same() {
    let codes = |line: &str| Log::read(line.as_bytes()).entries.remove(0).form.codes;
    assert_eq!(
        codes("arm-smmu-v3 arm-smmu-v3.0.auto: no evtq irq - events will not be reported!"),
        "IORT069"
    );
    assert_eq!(
        codes("arm-smmu-v3 arm-smmu-v3.0.auto: no gerr irq - errors will not be reported!"),
        "IORT069"
    );
    // Nothing before boot compares these with the hardware, or with the MADT.
    assert_eq!(codes("AMD-Vi: [Firmware Bug]: IOAPIC[9] not in IVRS table"), "");
    assert_eq!(codes("AMD-Vi: [Firmware Bug]: No southbridge IOAPIC found"), "");
    assert_eq!(
        codes(
            "AMD-Vi: [Firmware Warn]: EFR mismatch. Use IVHD EFR (0xf77ef22294ada : 0x400f77ef22294ada), EFR2 (0x0 : 0x0)."
        ),
        ""
    );
}

/// What firmware has to do with a line: the IOMMU, and the finding.
fn tied(line: &str, tables: &[(&str, &str)]) -> (Option<String>, Option<&'static str>) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut collector = Collector::new();
    for (name, file) in tables {
        collector.add(name, fs::read(root.join(file)).unwrap()).unwrap();
    }
    let machine = if tables.is_empty() { Machine::default() } else { collector.finish().unwrap() };
    let document = LogDocument::new(&Log::read(line.as_bytes()), &machine, Dialect::LINUX);
    document.lines.into_iter().next().map(|line| (line.iommu, line.finding)).unwrap()
}

#[test]
fn a_virtio_iommu_is_no_other_iommu() {
    let fault = "virtio_iommu virtio0: page fault from EP 24 at 0xffffe000 [ W ]";
    let [iort, viot] = ["qemu-virtio-iommu/iort.bin", "qemu-virtio-iommu/viot.bin"]
        .map(|file| format!("firmware-samples/{file}"));
    let (found, _) = tied(fault, &[("iort.bin", &iort), ("viot.bin", &viot)]);
    assert!(found.as_deref().is_some_and(|found| found.starts_with("VIOT")), "{found:?}");
    // An IORT with one SMMUv3: a name that says nothing of its kind is that one, and a virtio device is not.
    let one = [("iort.bin", "tests/field/faults/fault.acpi/iort.bin")];
    assert!(tied("arm-smmu-v3 smmu: event 0x10 received: sid 0x100", &one).0.is_some());
    assert_eq!(tied(fault, &one).0, None);
    assert_eq!(tied("virtio_iommu virtio0: input address: 64 bits", &one).0, None);
}

#[test]
fn a_finding_is_of_a_table_that_the_machine_may_have() {
    let line = "nvme 0000:01:00.0: IOMMU driver was not able to establish FW requested direct mapping.";
    assert_eq!(tied(line, &[]).1, None);
    assert_eq!(tied(line, &[("iort.bin", "tests/field/faults/fault.acpi/iort.bin")]).1, Some("IORT048"));
    let region =
        |range: &str| tied(&format!("DMAR: [Firmware Bug]: Your BIOS is broken; bad RMRR [{range}]"), &[]).1;
    assert_eq!(region("0x0000000030000000-0x000000003000ffff"), Some("DMAR013"));
    assert_eq!(region("0x0000000030000000-0x0000000020000fff"), Some("DMAR011"));
    assert_eq!(region("0x0000000030000800-0x000000003000ffff"), Some("DMAR012"));
}

/// Lines that nobody had in mind when the table was made: nine of ten are understood, and each is about what a reader says.
#[test]
fn lines_that_people_pasted_are_understood() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/field/logs/pasted.tsv");
    let text = fs::read_to_string(file).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split_once('\t').unwrap());
    let (mut all, mut right, mut wrong) = (0, 0, Vec::new());
    for (wanted, line) in rows {
        all += 1;
        let found = kind(line).map_or("unrelated", LogKind::word);
        if found == wanted { right += 1 } else { wrong.push(format!("{wanted}, not {found}: {line}")) }
    }
    println!("{right} of {all} lines that people pasted\n{}", wrong.join("\n"));
    assert!(all >= 150 && right * 100 >= all * 90, "{right} of {all}: {}", wrong.join("\n"));
}

/// Mail programs break long lines, and quote and encode them.
#[test]
fn a_line_that_was_broken_is_one() {
    let one = |text: &str| {
        let log = Log::read(text.as_bytes());
        assert_eq!(log.entries.len(), 1, "{text}: {log:#?}");
        let entry = log.entries[0].clone();
        assert_eq!((entry.n, entry.last_n), (1, text.lines().count()), "{text}");
        (entry.facts.sentence(entry.form), entry.facts, log.unrelated)
    };
    let flush = "> > [   12.329173] mtk-iommu 10205000.iommu: Partial TLB flush timed out,\n> > falling back to full flush\n";
    assert_eq!(one(flush).0, "10205000.iommu was slow to forget a mapping; it drops all mappings.");
    let fault = "May 30 17:35:46 host kernel: [  278.999485] DMAR: [DMA Read]\nRequest device [00:16.7] PASID ffffffff fault addr 9cdff000 [fault\nreason 02] Present bit in context entry is clear\n";
    let (said, facts, unrelated) = one(fault);
    assert!(
        said.starts_with(
            "The IOMMU stopped an access (DMA Read) of 0000:00:16.7 to address 0x9cdff000: the device is not"
        ),
        "{said}"
    );
    assert_eq!((facts.address, unrelated), (Some(0x9cdf_f000), 0));
    let encoded = "[   62.324542] arm-smmu 12000000.iommu: Unhandled context fault:\nfsr=3D0x402, iova=3D0xcd21d000, fsynr=3D0x80012, cbfrsynra=3D0x820, cb=3D1\n";
    assert_eq!(one(encoded).1.stream.map(|id| id.0), Some(0x820));
    let soft = "[    0.042143] DMAR: dmar0: reg_base_addr fc800000 ver 7:0 cap c9de008cee69=\n0462 ecap 12ca9a00f0ef5e\n";
    assert_eq!(one(soft).1.base, Some(0xfc80_0000));
    let named = "May 01 10:01:37 pve kernel: vfio-pci 0000:01:00.0:\nnot ready 1023ms after FLR; waiting\n";
    assert_eq!(one(named).1.device.as_deref(), Some("0000:01:00.0"));
    let group = "> [    3.912932] pci 0000:f6:00.1: Adding to\n> iommu group 591\n";
    assert_eq!(one(group).1.group, Some(591));
}

#[test]
fn lines_that_are_whole_are_not_joined() {
    let viable = "qemu-system-x86_64: -device vfio-pci,host=01:00.0: vfio 0000:01:00.0: group 7 is not viable\nPlease ensure all devices within the iommu_group are bound to their vfio bus driver.\n";
    assert_eq!(Log::read(viable.as_bytes()).entries.len(), 2);
    // Text after a line is not of it, and no line that has a stamp goes on with another.
    let prose =
        "[    3.912932] pci 0000:00:01.0: Adding to iommu group 1\nand then nothing happens for a minute.\n";
    let log = Log::read(prose.as_bytes());
    assert_eq!((log.entries.len(), log.entries[0].last_n, log.unrelated), (1, 1, 1));
    let two = "DMAR: Host address width 39\nnote: Your BIOS is broken; DMAR reported at address zero!\n";
    assert_eq!(Log::read(two.as_bytes()).entries[0].last_n, 1);
    let stamped = "[    3.912932] pci 0000:f6:00.1: Adding to\n[    3.912933] iommu group 591\n";
    assert!(Log::read(stamped.as_bytes()).entries.iter().all(|entry| entry.facts.group.is_none()));
}

#[test]
fn signs_of_web_pages_are_read_as_plain_ones() {
    let line = "[    1.000000]\u{a0}pci\u{a0}0000:00:01.0:\u{a0}Adding to iommu group 1";
    assert_eq!(kind(line), Some(LogKind::GroupAdd));
    assert_eq!(kind("vfio_pci: unknown parameter \u{2018}disable_vga\u{2019} ignored"), Some(LogKind::Vfio));
    assert_eq!(
        kind("DMAR: [Firmware Bug]: Your BIOS is broken; DMAR reported at address 0!&lt;br&gt;"),
        Some(LogKind::FirmwareBug)
    );
    // A program is no device.
    let log = Log::read(b"qemu-system-x86_64: VFIO_MAP_DMA: -12");
    assert_eq!(log.entries[0].facts.device, None);
}

#[test]
fn a_command_line_is_listed_once() {
    let early = "[    0.000000] Command line: root=/dev/sda1 ro intel_iommu=on iommu=pt\n";
    let late = "[    0.100000] Kernel command line: root=/dev/sda1 ro intel_iommu=on iommu=pt\n";
    for (text, n, unrelated) in [(early.to_string(), 1, 0), (format!("{early}{late}"), 2, 1)] {
        let log = Log::read(text.as_bytes());
        assert_eq!((log.entries.len(), log.entries[0].n, log.unrelated), (1, n, unrelated), "{log:#?}");
        assert_eq!(log.entries[0].form.kind, LogKind::Domain);
    }
}
