//! Which devices share a group, in every order.

mod ats;
mod closure;
mod exhaustive;
mod kernel_groups;
mod kernel_truth;
mod msi_truth;
mod order;
mod proxies;
mod simulate;
mod x86_truth;
