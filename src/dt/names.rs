//! Names of nodes other than paths: labels, the names of platform devices in logs, a node's own name.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::address::Translator;
use super::inherit::Inherited;
use super::{Index, NodeId};

impl Index<'_> {
    /// The nodes that a name can mean. Of these kinds of names, the first that any node has counts:
    ///
    /// 1. its path, or an alias of `/aliases` (`/soc/vop@fdd90000`, `serial0`);
    /// 2. a label that the compiler kept in `/__symbols__`: `vop`, or `&vop` as in sources, which can only be a label;
    /// 3. the name of its platform device in Linux (`fdd90000.vop`, as `of_device_make_bus_id` makes it);
    /// 4. its own name, with its unit address or without, where `is_meant` says that nodes of this kind are asked for. There may be
    ///    several.
    pub(crate) fn named(&self, name: &str, is_meant: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        if let Some(label) = name.strip_prefix('&') {
            return self.labelled(label).into_iter().collect();
        }
        if let Some(node) = self.find(name).or_else(|| self.labelled(name)) {
            return alloc::vec![node];
        }
        if name.starts_with('/') {
            return Vec::new();
        }
        let devices = self.devices_named(name);
        if !devices.is_empty() {
            return devices;
        }
        let is_called = |node: &NodeId| {
            let own = self.name(*node);
            own == name.as_bytes() || without_unit(own) == name.as_bytes()
        };
        self.nodes().filter(|node| is_called(node) && is_meant(*node)).collect()
    }

    /// The node with a label, where the tree was compiled with `-@`.
    fn labelled(&self, label: &str) -> Option<NodeId> {
        let symbols = self.tree().find("/__symbols__")?;
        let path = symbols.property(label)?.strings().next()?;
        self.find(core::str::from_utf8(path).ok().filter(|path| path.starts_with('/'))?)
    }

    /// The nodes whose platform devices have this name in Linux.
    fn devices_named(&self, name: &str) -> Vec<NodeId> {
        // The last part is the node's own name: `fdd90000.vop`, or, below a node without an address, `soc:vop`.
        let own = name
            .rsplit_once(':')
            .map_or_else(|| name.split_once('.').map_or(name, |(_, own)| own), |(_, own)| own);
        // A mask stands between address and name.
        let own = own.rsplit_once('.').map_or(own, |(_, own)| own);
        if !name.contains(['.', ':']) {
            return Vec::new();
        }
        let like = |node: &NodeId| {
            let known = self.name(*node);
            known == own.as_bytes() || without_unit(known) == own.as_bytes()
        };
        let mut translator = Translator::new(self);
        let inherited = Inherited::of(self, &mut translator);
        let is_it = |node: &NodeId| {
            device_name(self, &inherited, &mut translator, *node, name.len()).as_deref() == Some(name)
        };
        self.nodes().filter(like).filter(is_it).collect()
    }
}

/// The name of a node's platform device in Linux (linux `of_device_make_bus_id`): its address and its name; without an address, its
/// name after those of its ancestors up to one with an address. `None` where that is longer than `most` bytes.
fn device_name(
    index: &Index<'_>,
    inherited: &Inherited,
    translator: &mut Translator,
    node: NodeId,
    most: usize,
) -> Option<String> {
    let mut name: Option<String> = None;
    let mut next = node;
    while let Some(above) = index.parent(next) {
        let own = core::str::from_utf8(index.name(next)).ok()?;
        let after = name.as_deref().map(|rest| format!(":{rest}")).unwrap_or_default();
        if let Some((address, _)) = inherited.first_reg(index, translator, next) {
            let kind = own.split_once('@').map_or(own, |(kind, _)| kind);
            let mask = index.node(next).and_then(|node| node.cell("mask"));
            // `ffs(mask) - 1`, which is -1 for a mask of 0.
            let mask = mask.map(|mask| match mask {
                0 => "ffffffff.".into(),
                mask => format!("{:x}.", mask.trailing_zeros()),
            });
            return Some(format!("{address:x}.{}{kind}{after}", mask.unwrap_or_default()));
        }
        name = Some(format!("{own}{after}")).filter(|name| name.len() <= most);
        name.as_ref()?;
        next = above;
    }
    name
}

/// A node's name without its unit address.
fn without_unit(name: &[u8]) -> &[u8] {
    name.split(|byte| *byte == b'@').next().unwrap_or(name)
}
