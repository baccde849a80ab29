//! Failures on demand, for the tests.

use std::io;
use std::sync::Mutex;

use super::disk::Operation;

/// Which operations fail, and after how many that still succeed.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    plan: Mutex<Option<Plan>>,
}

#[derive(Debug)]
struct Plan {
    operation: Operation,
    after: usize,
    code: i32,
}

impl Faults {
    /// From the operation of this kind that comes after `after` others on, all fail with this error number.
    pub(crate) fn plan(&self, operation: Operation, after: usize, code: i32) {
        *self.plan.lock().unwrap() = Some(Plan { operation, after, code });
    }

    /// Everything works again.
    pub(crate) fn end(&self) {
        *self.plan.lock().unwrap() = None;
    }

    pub(crate) fn trial(&self, operation: Operation) -> io::Result<()> {
        match &mut *self.plan.lock().unwrap() {
            Some(plan) if plan.operation == operation => match plan.after.checked_sub(1) {
                Some(less) => {
                    plan.after = less;
                    Ok(())
                }
                None => Err(io::Error::from_raw_os_error(plan.code)),
            },
            _ => Ok(()),
        }
    }
}
