//! The two windows of a channel (RFC 4254, section 5.2).
//!
//! What the client sends is kept until its receiver takes it, and only then may the client send as
//! much again: one receiver that does not read stops its own channel and no other, and a channel
//! never holds more than its window.

use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::{Bytes, BytesMut};
use tokio::sync::Notify;

/// The client sent more than it may, or granted more than a window can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overrun;

/// Both directions of a channel, shared by the connection and the channel's task.
#[derive(Debug)]
pub(crate) struct Flow {
    state: Mutex<State>,
    arrived: Notify,
    widened: Notify,
    closed: Notify,
    unwanted: Notify,
}

#[derive(Debug)]
struct State {
    /// Received and not yet taken.
    inbound: BytesMut,
    /// The client has sent its last byte.
    ended: bool,
    /// Nobody reads any more.
    deaf: bool,
    /// Bytes that the client may still send.
    granted: u32,
    /// Bytes that were taken and not yet granted again.
    taken: u32,
    /// What the client may send at most before something is taken.
    window: u32,
    /// Bytes that we may still send.
    theirs: u32,
    /// The client drops what we send.
    unwanted: bool,
}

impl Flow {
    /// A channel on which the client may send `window` bytes, and we `theirs`.
    pub(crate) fn new(window: u32, theirs: u32) -> Self {
        Self {
            state: Mutex::new(State {
                inbound: BytesMut::new(),
                ended: false,
                deaf: false,
                granted: window,
                taken: 0,
                window,
                theirs,
                unwanted: false,
            }),
            arrived: Notify::new(),
            widened: Notify::new(),
            closed: Notify::new(),
            unwanted: Notify::new(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the client may send at most before something is taken.
    pub(crate) fn window(&self) -> u32 {
        self.state().window
    }

    /// Bytes that the client may send or has sent, as far as they are not known to have gone where
    /// they should.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn outstanding(&self) -> u64 {
        let state = self.state();
        u64::from(state.granted) + u64::from(state.taken) + state.inbound.len() as u64
    }

    /// Keeps what arrived.
    pub(crate) fn receive(&self, data: &[u8]) -> Result<(), Overrun> {
        let mut state = self.state();
        let length = u32::try_from(data.len()).map_err(|_| Overrun)?;
        state.granted = state.granted.checked_sub(length).ok_or(Overrun)?;
        if state.ended {
            return Err(Overrun);
        }
        if !state.deaf {
            state.inbound.extend_from_slice(data);
            drop(state);
            self.arrived.notify_one();
        }
        Ok(())
    }

    /// Counts what arrived and is not for anybody.
    pub(crate) fn skip(&self, length: usize) -> Result<(), Overrun> {
        let mut state = self.state();
        let length = u32::try_from(length).map_err(|_| Overrun)?;
        state.granted = state.granted.checked_sub(length).ok_or(Overrun)?;
        Ok(())
    }

    /// The client will send no more.
    pub(crate) fn end(&self) {
        self.state().ended = true;
        self.arrived.notify_one();
    }

    /// The client has closed the channel: it sends no more, and wants no more. What it sent still
    /// goes where it should.
    pub(crate) fn close(&self) {
        self.end();
        self.closed.notify_one();
    }

    /// Waits for [`Flow::close`]; for one waiter, once.
    pub(crate) async fn closed(&self) {
        self.closed.notified().await;
    }

    /// The client has nobody any more who reads what we send (OpenSSH's PROTOCOL, section 2.1).
    pub(crate) fn refuse(&self) {
        self.state().unwanted = true;
        self.unwanted.notify_waiters();
    }

    /// Waits for [`Flow::refuse`]; comes back at once when that was before.
    pub(crate) async fn unwanted(&self) {
        loop {
            let told = self.unwanted.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            if self.state().unwanted {
                return;
            }
            told.await;
        }
    }

    /// The client grants more.
    pub(crate) fn widen(&self, by: u32) -> Result<(), Overrun> {
        let mut state = self.state();
        state.theirs = state.theirs.checked_add(by).ok_or(Overrun)?;
        drop(state);
        self.widened.notify_waiters();
        Ok(())
    }

    /// Nobody will read any more: what is there and what comes is dropped, and nothing is granted.
    pub(crate) fn deafen(&self) {
        let mut state = self.state();
        state.deaf = true;
        state.inbound = BytesMut::new();
    }

    /// All that has arrived; `None` after the last byte.
    pub(crate) async fn next(&self) -> Option<Bytes> {
        loop {
            {
                let mut state = self.state();
                if !state.inbound.is_empty() {
                    return Some(std::mem::take(&mut state.inbound).freeze());
                }
                if state.ended {
                    return None;
                }
            }
            self.arrived.notified().await;
        }
    }

    /// Notes that bytes of [`Flow::next`] have gone where they should. True when it is time to tell
    /// the client.
    pub(crate) fn took(&self, count: usize) -> bool {
        let mut state = self.state();
        state.taken = state.taken.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        !state.ended && state.taken >= state.window / 4
    }

    /// What the client may be granted again; from now on it counts as granted.
    pub(crate) fn grant(&self) -> u32 {
        let mut state = self.state();
        let by = std::mem::take(&mut state.taken);
        state.granted = state.granted.saturating_add(by);
        by
    }

    /// Waits until something may be sent, and reserves up to `wanted` bytes of it.
    pub(crate) async fn room(&self, wanted: usize) -> usize {
        loop {
            let widened = self.widened.notified();
            tokio::pin!(widened);
            widened.as_mut().enable();
            {
                let mut state = self.state();
                let room = state.theirs.min(u32::try_from(wanted).unwrap_or(u32::MAX));
                if room > 0 {
                    state.theirs -= room;
                    return room as usize;
                }
            }
            widened.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_kept_to_the_byte() {
        let flow = Flow::new(8, 0);
        assert_eq!(flow.receive(b"12345678"), Ok(()));
        assert_eq!(flow.receive(b"9"), Err(Overrun));
    }

    #[tokio::test]
    async fn what_is_taken_is_granted_again() {
        let flow = Flow::new(8, 0);
        flow.receive(b"12345678").unwrap();
        assert_eq!(flow.next().await.as_deref(), Some(&b"12345678"[..]));
        // Taken out, but not yet delivered: still not granted.
        assert_eq!(flow.receive(b"9"), Err(Overrun));
        assert!(!flow.took(1));
        assert!(flow.took(7));
        assert_eq!(flow.grant(), 8);
        assert_eq!(flow.receive(b"abcdefgh"), Ok(()));
        flow.end();
        assert_eq!(flow.next().await.as_deref(), Some(&b"abcdefgh"[..]));
        assert_eq!(flow.next().await, None);
        assert_eq!(flow.receive(b""), Err(Overrun), "data after the end");
    }

    #[tokio::test]
    async fn room_is_what_the_client_granted() {
        let flow = Flow::new(0, 3);
        assert_eq!(flow.room(2).await, 2);
        assert_eq!(flow.room(2).await, 1);
        let (room, ()) = tokio::join!(flow.room(9), async { flow.widen(5).unwrap() });
        assert_eq!(room, 5);
        flow.widen(u32::MAX).unwrap();
        assert_eq!(flow.widen(1), Err(Overrun));
    }
}
