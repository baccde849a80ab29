//! A VPC as a picture: an SVG of its zones, subnets, interfaces, gateways, endpoints and tables, with what
//! is open to the internet standing out, and the walk of a packet drawn on it.
//!
//! Invariant: a pure function of the network's model and of names. What is stored, and how it was asked
//! for, is not known here. Boxes do not overlap, texts stay in their boxes, and the file has a bound however
//! large the VPC is: what is beyond it is counted.

mod card;
mod exposure;
mod marks;
mod scene;
mod sheet;
mod subnets;
mod svg;
mod tables;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeMap;

use sagegate_network::topology::Topology;

pub use marks::Trip;

/// What is drawn.
#[derive(Clone, Copy, Debug)]
pub struct Chart<'a> {
    /// The networks that the VPC is one of.
    pub topology: &'a Topology,
    /// What things are called besides their ids.
    pub names: &'a BTreeMap<String, String>,
    /// Which VPC, `vpc-…`.
    pub vpc: &'a str,
    /// The region's name.
    pub region: &'a str,
    /// A walk, if one was asked for.
    pub trip: Option<Trip<'a>>,
}

/// Draws it.
#[must_use]
pub fn svg(chart: &Chart<'_>) -> String {
    svg::write(&sheet::draw(chart))
}
