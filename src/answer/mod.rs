//! One question, one plain answer: what firmware says, where an id goes, which devices share a group and why, what is wrong.
//!
//! Numbers are integers, identifiers of firmware objects are strings (`IORT+0x48`, `/smmuv3@9050000`), PCI functions are
//! `0000:01:00.0`. With the feature `serde` the answers are the JSON documents that the command prints, each with its `schema`; keys
//! are stable, and more may be added.

mod assign;
mod audit;
mod check;
mod compare;
mod conclusion;
mod diff;
mod explain;
mod findings;
mod groups;
mod lint;
mod linted;
mod log;
mod lookup;
mod named;
mod platform;
mod remark;
mod shell;
mod simulate;
mod summary;
mod told;
mod watch;
mod why;

pub use assign::Assignable;
pub use audit::{
    AlikeMsisRecord, AlikeRecord, AlwaysMappedRecord, AuditDocument, AuditSummary, ConstantRecord,
    FunctionsRecord, IdSourceRecord, JoinedRecord, MaskRecord, MembersRecord, ReasonRecord, RefusedRecord,
    SharedGroupRecord, SharedIdRecord, UntranslatedDevicesRecord, UntranslatedNodeRecord, UntranslatedRecord,
};
pub use check::{
    BecauseRecord, CheckDocument, CodeCount, EvidenceRecord, FirmwareRecord, IommuState, KernelRecord,
    ParameterRecord, SeverityCounts,
};
pub use compare::DifferRecord;
pub use conclusion::{Conclusion, SettingRecord};
pub use diff::{AnswerRecord, ChangeRecord, DiffDocument};
pub use explain::{CodeRecord, ExplainDocument, Explained, HopRecord, HopStep, WayRecord};
pub use findings::findings;
pub use groups::{
    AtsRecord, DeviceRecord, GroupRecord, GroupsDocument, PlacedFunction, RegroupedRecord, SinkRecord,
    StaysRecord, TieRecord, WhatIfRecord,
};
pub use lint::{FindingRecord, LintDocument, RelatedRecord};
pub use linted::{Linted, Tally};
pub use log::{LogDocument, LogRecord};
pub use lookup::{Answer, LookupDocument, LookupResult, SenderRecord, SourceRange};
pub use named::Named;
pub use platform::{
    DeviceRange, FieldRecord, IommuRecord, MsiId, MsiRecord, PlatformDocument, Problem, RegionRecord,
    RequesterRecord, ReservedRecord, StreamRangeRecord, StreamRecord, StreamSpan,
};
pub use remark::{RemarkRecord, remarks};
pub use shell::quoted;
pub use simulate::{MemberList, ScheduleEntry, SimulateDocument};
pub use summary::{IortSummary, Summary};
pub use told::{GraveRecord, ToldRecord};
pub use watch::{Watch, WatchRecord};
pub use why::{KeptRecord, Obstacle, Reached, Ungrouped, WhyDocument};
