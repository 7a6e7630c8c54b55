//! What people print, key by, sort and share can be printed, hashed, sorted and shared; that it compiles is the test.

use std::fmt::{Debug, Display};
use std::hash::Hash;
use std::iter::FusedIterator;
use std::str::FromStr;

use fwspec::group::{Change, IsolationBlocker, KernelAnswer, Reason, Relation, Remedy};
use fwspec::lint::{Code, Finding, Severity};
use fwspec::machine::{Kind, Query};
use fwspec::map::{GivesUp, InputRange, MsiRequest, Producer};
use fwspec::model::{Errno, GroupRule, Origin, RegionKind, ReservedIndex, ScopeKind, Target};
use fwspec::pci::{AcsReason, AcsVerdict, Alias, Header, Missing, PortType};
use fwspec::simulate::Algorithm;
use fwspec::{
    AcsFlags, Bdf, BusError, Device, DeviceId, DeviceKey, Dialect, Error, ErrorKind, Format, Fwspec,
    FwspecFlags, FwspecOutcome, GroupId, Groups, IdMap, InputIds, IommuIndex, IommuKind, MsiControllerIndex,
    NoStream, Phandle, Placement, Platform, RequesterId, RequesterIndex, Segment, StreamId,
    error::{At, Source},
    group::{How, Policy, Tie},
    map::Stream,
};

macro_rules! all {
    ($traits:ident: $($name:ty)*) => {$( $traits::<$name>(); )*};
}

fn value<T: Debug + Clone + Eq + Send + Sync + 'static>() {}
fn key<T: Hash + Eq>() {}
fn sorted<T: Ord>() {}
fn printed<T: Display>() {}
fn read<T: FromStr>() {}
fn from<T: From<u32> + Into<u32>>() {}
fn error<T: std::error::Error + Send + Sync + 'static>() {}

/// The numbers and names that people write: everything of a number.
#[test]
fn ids_are_printed_sorted_and_keyed_by() {
    macro_rules! ids {
        ($($name:ty)*) => {$( value::<$name>(); key::<$name>(); sorted::<$name>(); printed::<$name>(); )*};
    }
    ids! {
        Segment RequesterId Bdf StreamId DeviceId Phandle InputIds GroupId DeviceKey IommuIndex RequesterIndex
        MsiControllerIndex ReservedIndex Source At Format Code Severity Errno Stream PortType IommuKind RegionKind
        Policy Missing
    }
    all!(from: Segment StreamId DeviceId Phandle);
    all!(read: Bdf RequesterId Code Query);
}

#[test]
fn what_people_compare_can_be_a_key() {
    macro_rules! keys {
        ($($name:ty)*) => {$( value::<$name>(); key::<$name>(); )*};
    }
    keys! {
        Dialect Fwspec FwspecFlags FwspecOutcome NoStream MsiRequest Producer<IommuIndex> InputRange Target Origin
        Device How Placement Change BusError Tie Reason Relation Remedy IsolationBlocker KernelAnswer GivesUp
        AcsFlags AcsVerdict AcsReason Alias Header GroupRule ScopeKind Kind Error ErrorKind
    }
    all!(sorted: MsiRequest Alias Origin Target Producer<IommuIndex> FwspecFlags);
    all!(printed: Dialect NoStream Tie Reason Remedy Relation KernelAnswer AcsFlags AcsReason GroupRule ScopeKind Kind
        Algorithm Error ErrorKind BusError Finding);
    all!(error: Error ErrorKind BusError fwspec::ParseBdfError fwspec::machine::MachineError fwspec::NoStream);
}

/// What is shared between threads, as servers do.
#[test]
fn what_people_keep_can_be_shared_between_threads() {
    fn shared<T: Debug + Clone + Send + Sync + 'static>() {}
    all!(shared: IdMap Groups Platform fwspec::machine::Machine fwspec::machine::Firmware Finding);
}

#[test]
fn iterators_have_names_and_end() {
    fn iterator<T: Iterator + FusedIterator + Debug + Send + Sync>() {}
    fn both_ends<T: Iterator + DoubleEndedIterator + Clone>() {}
    fn counted<T: ExactSizeIterator + Clone>() {}
    use fwspec::{dt, group, machine, map, model, pci};
    all!(iterator: dt::CellsIter<'static> dt::Children<'static> dt::Reservations<'static> dt::Strings<'static>
        group::Classes<'static> group::DeviceKeys<'static> group::IommuGroups<'static> group::Members<'static>
        group::Reasons<'static> group::TaintedBy<'static> group::Ties<'static>
        machine::PlatformDevices<'static>
        map::DeviceSources<'static> map::InputRanges<'static> map::OwnMsiSources<'static>
        map::ReservedRegions<'static> map::StreamRecords<'static> map::StreamSources<'static> map::Streams<'static>
        model::IommuFunctions<'static> model::SpecifierFields model::SpecifierParts<'static>
        pci::Aliases<'static> pci::Bridges<'static> pci::Devfns pci::Functions<'static> pci::OrphanBuses<'static>
        pci::VirtualBuses pci::VirtualFunctions
    );
    all!(both_ends: group::IommuGroups<'static> group::Reasons<'static> pci::Devfns);
    all!(counted: dt::CellsIter<'static> map::Streams<'static>);
}

/// A machine and its groups take devices as a list does.
#[test]
fn devices_can_be_collected() {
    let [port, nic]: [Bdf; 2] = ["00:01.0", "01:00.0"].map(|bdf| bdf.parse().unwrap());
    let mut groups = Groups::without_firmware();
    // The second endpoint is there already and left out.
    groups.extend([Device::endpoint(nic), Device::root_port(port, 1..=1), Device::endpoint(nic)]);
    assert!(groups.devices().eq([port.into(), nic.into()]));
    assert_eq!(groups.groups().count(), 1);
}
