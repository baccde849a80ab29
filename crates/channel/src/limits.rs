//! How much, and for how long.

use std::time::Duration;

/// The most bytes of a frame that is taken, with its head. Ours have less; the plugin's have 1,144.
pub const FRAME: usize = 256 * 1024 + super::HEAD;
/// The most bytes of the first message, which is text.
pub const OPEN: usize = 8 * 1024;
/// The payload of the gateway's frames of data, where they are not light: large enough that a frame's
/// cost does not count, small enough that a single key stroke does not wait long behind one.
pub const OUTPUT: usize = 32 * 1024;
/// The payload of light frames of data, in both directions: with its head a frame is 128 KiB.
pub const LIGHT: usize = 128 * 1024 - super::HEAD;
/// The most bytes that the gateway has sent and that are not acknowledged.
pub const WINDOW: usize = 4 * 1024 * 1024;
/// The same for a client that can resume, in each direction: these are kept to be sent again.
pub const RESUME_WINDOW: usize = 8 * 1024 * 1024;
/// The most bytes of the same before the client has sent data: these may have to be sent again.
pub const EARLY_WINDOW: usize = 64 * 1024;
/// How far a frame's number may be ahead of the next one in order.
pub const AHEAD: i64 = 1024;
/// The most bytes of such frames.
pub const AHEAD_BYTES: usize = 1024 * 1024;
/// From the socket's opening to the message with the token.
pub const OPEN_TIME: Duration = Duration::from_secs(5);
/// From there to the answer to the handshake, as the agent waits.
pub const HANDSHAKE_TIME: Duration = Duration::from_secs(15);
/// Between the handshake's end and its being ready for data the plugin drops what arrives: data is
/// held until the client's first, or for this long.
pub const HOLD_TIME: Duration = Duration::from_millis(250);
/// How long the end waits for acknowledgements after the last one.
pub const FLUSH_TIME: Duration = Duration::from_secs(2);
/// The pause between pings.
pub const PING_TIME: Duration = Duration::from_secs(25);
/// So many pings without a sign of life, and the client is taken for gone.
pub const PINGS: u32 = 3;
/// How long a session waits for a client that can resume.
pub const RESUME_TIME: Duration = Duration::from_secs(60);
/// The pause between our client's pings: it notices a dead connection earlier than the gateway.
pub const CLIENT_PING_TIME: Duration = Duration::from_secs(5);
/// A frame that is not acknowledged is looked at again this often.
pub(crate) const TICK: Duration = Duration::from_millis(100);
/// The bounds of the time after which it is sent again, and the first one.
pub(crate) const RESEND_FIRST: Duration = Duration::from_millis(200);
pub(crate) const RESEND_MOST: Duration = Duration::from_secs(1);
/// How many unacknowledged frames the plugin keeps.
pub(crate) const PLUGIN_FRAMES: usize = 10_000;
