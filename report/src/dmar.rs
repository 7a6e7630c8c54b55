//! A DMAR table field by field, each with its offset: to be read beside `iasl -d`.

use core::fmt::{self, Write};

use fwspec::acpi::Sdt;
use fwspec::acpi::dmar::{Body, Dmar, Scope, ScopeType, Scopes, Structure};
use fwspec::{Segment, error::At};

use crate::rows::{Bits, Flags, Rows};

/// Writes the table: its header, then structure after structure. What cannot be read has a line that starts with `!`.
///
/// ```
/// use fwspec::acpi::dmar::{Builder, Dmar};
/// let mut table = Builder::new(46);
/// table.unit(0, 0xfed9_0000).include_all();
/// let mut text = String::new();
/// fwspec_report::dmar::fields(&Dmar::parse(&table.finish())?, &mut text)?;
/// assert!(text.contains("0034   1  Flags                       01  all devices\n"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// Only those of `out`.
pub fn fields(dmar: &Dmar<'_>, out: &mut impl Write) -> fmt::Result {
    const FLAGS: Bits = &[(0, "interrupt remapping"), (1, "x2APIC opt-out"), (2, "DMA control opt-in")];
    let mut rows = Rows { out, at: 0 };
    rows.sdt(dmar.sdt(), "")?;
    rows.at = Sdt::HEADER_LENGTH;
    let width = dmar.host_address_width();
    rows.field(1, "Host address width", width, format_args!("{} bits", u16::from(width).saturating_add(1)))?;
    rows.field(1, "Flags", dmar.flags(), Flags(dmar.flags().into(), FLAGS, ""))?;
    rows.zeros(&dmar.reserved())?;
    for structure in dmar.structures() {
        rows.out.write_char('\n')?;
        match structure {
            Ok(structure) => rows.structure(&structure)?,
            Err(error) => rows.error(&error)?,
        }
    }
    rows.end(dmar.sdt())
}

impl<W: Write> Rows<'_, W> {
    fn structure(&mut self, structure: &Structure<'_>) -> fmt::Result {
        const DRHD: Bits = &[(0, "all devices")];
        const ATSR: Bits = &[(0, "all ports")];
        const SATC: Bits = &[(0, "cache required")];
        let At { offset, .. } = structure.at();
        let body = structure.body();
        self.at = offset;
        self.field(2, "Type", structure.structure_type(), body.as_ref().map_or("", name))?;
        self.field(2, "Length", structure.length(), format_args!("{} bytes", structure.length()))?;
        match &body {
            Ok(Body::Drhd(unit)) => {
                self.field(1, "Flags", unit.flags, Flags(unit.flags.into(), DRHD, ""))?;
                self.field(
                    1,
                    "Register set size",
                    unit.size,
                    format_args!("{} bytes", unit.register_bytes()),
                )?;
                self.segment(unit.segment)?;
                self.field(8, "Register base address", unit.base, "")?;
            }
            Ok(Body::Rmrr(memory)) => {
                self.field(2, "Reserved", memory.reserved, "")?;
                self.segment(memory.segment)?;
                self.field(8, "Base address", memory.base, "")?;
                let length = memory.limit.wrapping_sub(memory.base).wrapping_add(1);
                let backwards = memory.limit < memory.base;
                let size =
                    if backwards { "below the base".to_string() } else { format!("{length:#x} bytes") };
                self.field(8, "End address", memory.limit, size)?;
            }
            Ok(Body::Atsr(ports)) => {
                self.field(1, "Flags", ports.flags, Flags(ports.flags.into(), ATSR, ""))?;
                self.field(1, "Reserved", ports.reserved, "")?;
                self.segment(ports.segment)?;
            }
            Ok(Body::Satc(caches)) => {
                self.field(1, "Flags", caches.flags, Flags(caches.flags.into(), SATC, ""))?;
                self.field(1, "Reserved", caches.reserved, "")?;
                self.segment(caches.segment)?;
            }
            Ok(Body::Sidp(properties)) => {
                self.field(2, "Reserved", properties.reserved, "")?;
                self.segment(properties.segment)?;
            }
            Ok(Body::Rhsa(affinity)) => {
                self.field(4, "Reserved", affinity.reserved, "")?;
                self.field(8, "Register base address", affinity.base, "")?;
                self.field(4, "Proximity domain", affinity.proximity_domain, "")?;
            }
            Ok(Body::Andd(device)) => {
                self.zeros(&device.reserved)?;
                self.field(1, "Device number", device.device_number, "")?;
                let path = device.path;
                let length = path.bytes().len().saturating_add(path.is_terminated().into());
                self.row(length, "Device name", format_args!("\"{path}\""))?;
                if let Some(fault) = path.fault() {
                    writeln!(self.out, "! {fault}")?;
                }
                self.padding(structure.bytes(), offset, structure.length().into())?;
            }
            Ok(Body::Unknown(_)) => writeln!(self.out, "! the fields of this structure are not known")?,
            Err(error) => self.error(error)?,
        }
        if let Some(scopes) = body.ok().and_then(|body| body.scopes()) {
            self.scopes(scopes)?;
        }
        self.unread(structure.bytes(), offset)
    }

    fn segment(&mut self, segment: Segment) -> fmt::Result {
        self.field(2, "PCI segment number", segment.0, "")
    }

    /// Reserved bytes.
    fn zeros(&mut self, bytes: &[u8]) -> fmt::Result {
        let value = if bytes.iter().all(|byte| *byte == 0) { "zeros" } else { "other than zeros" };
        self.row(bytes.len(), "Reserved", value)
    }

    fn scopes(&mut self, mut scopes: Scopes<'_>) -> fmt::Result {
        scopes.try_for_each(|scope| match scope {
            Ok(scope) => self.scope(&scope),
            Err(error) => self.error(&error),
        })
    }

    fn scope(&mut self, scope: &Scope<'_>) -> fmt::Result {
        let kind = scope.scope_type();
        self.field(1, "Device scope type", scope.scope_type_number(), kind)?;
        self.field(1, "  length", scope.length(), format_args!("{} bytes", scope.length()))?;
        self.field(1, "  flags", scope.flags(), "")?;
        self.field(1, "  reserved", scope.reserved(), "")?;
        let id = match kind {
            ScopeType::IoApic => "I/O APIC ID",
            ScopeType::Hpet => "HPET number",
            ScopeType::Namespace => "ANDD device number",
            ScopeType::Endpoint | ScopeType::Bridge | ScopeType::Unknown(_) => "",
        };
        self.field(1, "  enumeration ID", scope.enumeration_id(), id)?;
        self.field(1, "  start bus", scope.start_bus(), "")?;
        for (position, hop) in scope.hops().enumerate() {
            let whole = if position == 0 { scope.to_string() } else { String::new() };
            let fields = format!("{:02x},{:02x}  {whole}", hop.device, hop.function);
            self.row(2, "  path", fields.trim_end())?;
        }
        if scope.has_odd_byte() {
            self.row(1, "  odd byte", "")?;
        }
        Ok(())
    }
}

fn name(body: &Body<'_>) -> &'static str {
    match body {
        Body::Drhd(_) => "DRHD, remapping hardware unit",
        Body::Rmrr(_) => "RMRR, reserved memory",
        Body::Atsr(_) => "ATSR, root ports with ATS",
        Body::Rhsa(_) => "RHSA, proximity of a unit",
        Body::Andd(_) => "ANDD, namespace device",
        Body::Satc(_) => "SATC, integrated devices with a translation cache",
        Body::Sidp(_) => "SIDP, properties of integrated devices",
        Body::Unknown(_) => "unknown",
    }
}
