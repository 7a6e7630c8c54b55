//! The kernel parameters that change what its IOMMUs do and which devices share a group.

use alloc::vec::Vec;

use crate::group::DeviceKey;
use crate::pci::PortType;
use crate::{AcsFlags, Device};

use super::Kernel;

/// A word of the kernel's command line that is about IOMMUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Parameter<'a> {
    /// The word as written; of `pci=…` one option only.
    pub text: &'a str,
    /// What it does.
    pub effect: Effect,
    /// The effect in words.
    pub says: &'static str,
}

/// What a kernel parameter does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Switches IOMMUs on that are off by default.
    On,
    /// Keeps the kernel from using IOMMUs: there are no groups.
    Off,
    /// Does not translate the DMA of the kernel's drivers. Groups stay, and devices that are given to user space are translated.
    PassThrough,
    /// Translates DMA where the default may be pass-through.
    Translate,
    /// Lets DMA with unknown StreamIDs pass.
    Bypass,
    /// Makes the kernel assume isolation that the hardware does not have.
    Override,
    /// Sets other ACS bits than the kernel's own: the registers show them.
    AcsSet,
    /// Decides which drivers bind to ports, and which services the ports have.
    Ports,
    /// Decides when mappings leave the IOMMU; groups stay the same.
    Flush,
    /// Another option of IOMMUs.
    Other,
}

/// The place of a row's word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The whole word.
    Word,
    /// One of the comma-separated values after `NAME=`.
    Value,
    /// A word that starts like this, with `=` somewhere after it.
    Key,
    /// A value after `pci=` that starts like this; values are separated by commas (linux drivers/pci/pci.c `pci_setup`).
    Pci,
}

const ACS_SET: &str = "other ACS bits than the kernel's own are set";

/// The known parameters (linux Documentation/admin-guide/kernel-parameters.txt): form, name, value, effect, words.
const PARAMETERS: &[(Form, &str, &str, Effect, &str)] = &[
    (
        Form::Key,
        "pcie_acs_override",
        "",
        Effect::Override,
        "the kernel assumes isolation that the hardware does not have",
    ),
    (Form::Value, "iommu", "off", Effect::Off, "the kernel uses no IOMMU"),
    (Form::Value, "iommu", "pt", Effect::PassThrough, "DMA of the kernel's own drivers is not translated"),
    (Form::Value, "iommu", "nopt", Effect::Translate, "DMA of the kernel's own drivers is translated"),
    (Form::Value, "iommu", "force", Effect::On, "the kernel uses the IOMMU even where it need not"),
    (
        Form::Word,
        "iommu.passthrough",
        "1",
        Effect::PassThrough,
        "DMA of the kernel's own drivers is not translated",
    ),
    (
        Form::Word,
        "iommu.passthrough",
        "0",
        Effect::Translate,
        "DMA of the kernel's own drivers is translated",
    ),
    (Form::Key, "iommu.strict", "", Effect::Flush, "it decides when unmapped pages leave the IOMMU"),
    (Form::Value, "intel_iommu", "off", Effect::Off, "the kernel uses no Intel IOMMU"),
    (Form::Value, "intel_iommu", "on", Effect::On, "the kernel uses Intel IOMMUs"),
    (Form::Value, "intel_iommu", "igfx_off", Effect::Bypass, "the graphics device is not translated"),
    (Form::Value, "intel_iommu", "strict", Effect::Flush, "it decides when unmapped pages leave the IOMMU"),
    (Form::Key, "intel_iommu", "", Effect::Other, "an option of Intel IOMMUs"),
    (Form::Value, "amd_iommu", "off", Effect::Off, "the kernel uses no AMD IOMMU"),
    (Form::Value, "amd_iommu", "fullflush", Effect::Flush, "it decides when unmapped pages leave the IOMMU"),
    (Form::Key, "amd_iommu", "", Effect::Other, "an option of AMD IOMMUs"),
    (
        Form::Word,
        "arm-smmu.disable_bypass",
        "0",
        Effect::Bypass,
        "DMA with a StreamID that no device has passes through",
    ),
    (
        Form::Word,
        "arm-smmu-v3.disable_bypass",
        "0",
        Effect::Bypass,
        "DMA with a StreamID that no device has passes through",
    ),
    (Form::Pci, "config_acs", "=", Effect::AcsSet, ACS_SET),
    (
        Form::Pci,
        "disable_acs_redir",
        "=",
        Effect::AcsSet,
        "ports let devices reach each other without passing the IOMMU, so groups are larger",
    ),
    (Form::Pci, "noats", "", Effect::Other, "devices may not ask for translated addresses (ATS)"),
    (Form::Key, "pcie_ports", "", Effect::Ports, "it decides which driver ports have"),
    (Form::Key, "iommu.forcedac", "", Effect::Other, "it decides where DMA addresses are"),
    (Form::Key, "iommu", "", Effect::Other, "an option of the IOMMU"),
];

impl Kernel {
    /// The words of its command line that are about IOMMUs and groups, in their order. Words after `--` are for the first process.
    ///
    /// ```
    /// use fwspec::machine::{Effect, Kernel};
    /// let mut kernel = Kernel::default();
    /// kernel.command_line = Some("quiet intel_iommu=on,igfx_off pci=noaer,disable_acs_redir=pci:8086:1234".into());
    /// let found: Vec<_> = kernel.parameters().iter().map(|found| (found.text, found.effect)).collect();
    /// assert_eq!(
    ///     found,
    ///     [
    ///         ("intel_iommu=on,igfx_off", Effect::On),
    ///         ("intel_iommu=on,igfx_off", Effect::Bypass),
    ///         ("disable_acs_redir=pci:8086:1234", Effect::AcsSet),
    ///     ]
    /// );
    /// ```
    pub fn parameters(&self) -> Vec<Parameter<'_>> {
        let mut found = Vec::new();
        for word in words(self.command_line.as_deref().unwrap_or_default()) {
            if word == "--" {
                break;
            }
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let value = value.trim_matches('"');
            if same(name, "pci") {
                value.split(',').for_each(|option| found.extend(row(option, Form::Pci, option, "")));
                continue;
            }
            let before = found.len();
            for part in value.split(',') {
                found.extend(row(word, Form::Value, name, part));
            }
            if found.len() == before {
                let row = row(word, Form::Word, name, value).or_else(|| row(word, Form::Key, name, ""));
                found.extend(row);
            }
        }
        found
    }

    /// What `pcie_acs_override` on its command line makes it assume; `None` where the parameter is missing or cannot be understood.
    pub fn acs_override(&self) -> Option<AcsOverride> {
        let mut found = self.parameters().into_iter().filter(|found| found.effect == Effect::Override);
        let (_, list) = found.next_back()?.text.split_once('=')?;
        AcsOverride::parse(list)
    }
}

fn row<'a>(text: &'a str, form: Form, name: &str, value: &str) -> Option<Parameter<'a>> {
    let (_, _, _, effect, says) = PARAMETERS.iter().find(|(its, key, wanted, ..)| {
        *its == form
            && match form {
                Form::Word | Form::Value => same(name, key) && value == *wanted,
                Form::Key => same(name, key),
                Form::Pci => name.strip_prefix(key).is_some_and(|rest| rest.starts_with(wanted)),
            }
    })?;
    Some(Parameter { text, effect: *effect, says })
}

/// Whether two names of parameters are the same: for the kernel `-` is `_` (linux kernel/params.c `parameq`).
fn same(one: &str, other: &str) -> bool {
    let dash = |byte: u8| if byte == b'-' { b'_' } else { byte };
    one.bytes().map(dash).eq(other.bytes().map(dash))
}

/// The words of a command line; blanks inside quotation marks do not separate words (linux lib/cmdline.c `next_arg`).
fn words(line: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    let parted = line.split(move |c: char| {
        quoted ^= c == '"';
        c.is_whitespace() && !quoted
    });
    parted.filter(|word| !word.is_empty())
}

/// The kernel parameter `pcie_acs_override` of a patch that many distributions carry (`pcie_acs_overrides`). The kernel then
/// assumes that PCI Express functions without an ACS capability isolate; a function with the capability is judged by its bits.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct AcsOverride {
    /// Root ports and downstream ports of switches.
    pub downstream: bool,
    /// Functions of a multifunction device: endpoints, and upstream ports of switches.
    pub multifunction: bool,
    /// Functions with one of these vendor and device IDs.
    pub ids: Vec<(u16, u16)>,
}

impl AcsOverride {
    /// Reads `downstream`, `multifunction` and `id:VENDOR:DEVICE`, separated by commas; `None` for anything else.
    ///
    /// ```
    /// use fwspec::machine::AcsOverride;
    /// assert_eq!(AcsOverride::parse("downstream,id:8086:3420").unwrap().ids, [(0x8086, 0x3420)]);
    /// assert_eq!(AcsOverride::parse("everything"), None);
    /// ```
    pub fn parse(list: &str) -> Option<Self> {
        let mut parsed = AcsOverride::default();
        for item in list.split(',') {
            match (item, item.strip_prefix("id:")) {
                ("downstream", _) => parsed.downstream = true,
                ("multifunction", _) => parsed.multifunction = true,
                (_, Some(id)) => {
                    let (vendor, device) = id.split_once(':')?;
                    let number = |text| u16::from_str_radix(text, 16).ok();
                    parsed.ids.push((number(vendor)?, number(device)?));
                }
                _ => return None,
            }
        }
        Some(parsed)
    }

    /// Makes the devices that the parameter names isolate.
    pub fn apply(&self, devices: &mut [Device]) {
        for device in devices.iter_mut().filter(|device| self.is_for(device)) {
            *device = device.acs(AcsFlags::ISOLATED);
        }
    }

    fn is_for(&self, device: &Device) -> bool {
        let facts = device.facts();
        let Some(port) = facts.pcie.present().filter(|_| facts.acs.present().is_none()) else { return false };
        // Linux marks every function of a slot except the first as multifunction.
        let several =
            || facts.multifunction || matches!(device.key(), DeviceKey::Pci(bdf) if bdf.rid.function() > 0);
        self.ids.contains(&(facts.vendor, facts.device))
            || match port {
                PortType::RootPort | PortType::DownstreamPort => self.downstream,
                PortType::Endpoint
                | PortType::LegacyEndpoint
                | PortType::UpstreamPort
                | PortType::RcEndpoint => self.multifunction && several(),
                _ => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn effects(line: &str) -> Vec<Effect> {
        let kernel = Kernel { command_line: Some(line.into()), ..Kernel::default() };
        kernel.parameters().iter().map(|found| found.effect).collect()
    }

    #[test]
    fn parameters_are_understood() {
        for (line, effect) in [
            ("ro iommu=pt", Effect::PassThrough),
            ("iommu=off", Effect::Off),
            ("iommu.passthrough=1", Effect::PassThrough),
            ("intel_iommu=off", Effect::Off),
            ("amd-iommu=off", Effect::Off),
            ("arm_smmu.disable_bypass=0", Effect::Bypass),
            ("pcie_acs_override=downstream", Effect::Override),
            ("pci=config_acs=10x@pci:0:0", Effect::AcsSet),
            ("\"pci=disable_acs_redir=pci:8086:1 pci:1:2\"", Effect::AcsSet),
            ("pcie_ports=compat", Effect::Ports),
        ] {
            let line = line.trim_matches('"');
            assert_eq!(effects(line).first(), Some(&effect), "{line}");
        }
        assert_eq!(effects("quiet pci=noaer root=/dev/iommu=off -- iommu=off"), []);
    }

    #[test]
    fn quoted_blanks_part_no_words() {
        let found: Vec<&str> = words("a \"b c\" d=\"e f\"  g").collect();
        assert_eq!(found, ["a", "\"b c\"", "d=\"e f\"", "g"]);
    }

    #[test]
    fn the_override_of_a_command_line_is_found() {
        let kernel = Kernel {
            command_line: Some("pcie_acs_override=downstream,multifunction".into()),
            ..Kernel::default()
        };
        let found = kernel.acs_override().unwrap();
        assert!(found.downstream && found.multifunction);
    }
}
