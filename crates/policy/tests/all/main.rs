//! Tests of the policy language from the outside.

#[cfg(test)]
mod decided_cases;
#[cfg(test)]
mod generate;
#[cfg(test)]
mod laws;
#[cfg(test)]
mod messages;
#[cfg(test)]
mod naive;
#[cfg(test)]
mod robust;
#[cfg(test)]
mod semantics;
#[cfg(test)]
mod validation;
