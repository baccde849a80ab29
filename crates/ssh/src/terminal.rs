//! Terminals: making one, and the modes that a client asks for (RFC 4254, section 8).

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::pty::OpenptFlags;
use rustix::termios::{
    ControlModes, InputModes, LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios,
    Winsize,
};

use crate::codec::Reader;
use crate::user::User;

/// A terminal that a client asked for.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// The server's side.
    pub(crate) master: OwnedFd,
    /// The process's side.
    pub(crate) slave: OwnedFd,
    /// Its path, for `SSH_TTY`.
    pub(crate) path: String,
    /// Its kind, for `TERM`.
    pub(crate) kind: String,
}

impl Terminal {
    /// Makes a terminal that belongs to the user, as the payload of `pty-req` says.
    ///
    /// # Errors
    /// The system's, where it has no terminal left; `InvalidData` for a payload that is none.
    pub(crate) fn open(user: &User, request: &mut Reader<'_>) -> io::Result<Self> {
        let malformed = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        let kind = request.text().map_err(malformed)?.to_owned();
        let size = window(request).map_err(malformed)?;
        let modes = request.string().map_err(malformed)?;
        let (master, slave, path) = user.run(|| {
            let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            let master = rustix::pty::openpt(flags)?;
            rustix::pty::grantpt(&master)?;
            rustix::pty::unlockpt(&master)?;
            let path = rustix::pty::ptsname(&master, Vec::new())?;
            let slave = rustix::pty::ioctl_tiocgptpeer(&master, flags)?;
            Ok((master, slave, path.to_string_lossy().into_owned()))
        })?;
        rustix::termios::tcsetwinsize(&master, size)?;
        let mut attributes = rustix::termios::tcgetattr(&slave)?;
        apply(&mut attributes, modes);
        rustix::termios::tcsetattr(&slave, OptionalActions::Now, &attributes)?;
        Ok(Self { master, slave, path, kind })
    }
}

/// Reads the four numbers of a window's size.
pub(crate) fn window(request: &mut Reader<'_>) -> Result<Winsize, crate::codec::Malformed> {
    let mut number = || request.u32().map(|value| u16::try_from(value).unwrap_or(u16::MAX));
    Ok(Winsize { ws_col: number()?, ws_row: number()?, ws_xpixel: number()?, ws_ypixel: number()? })
}

/// The window has another size; the processes in it learn that from the kernel.
pub(crate) fn resize(terminal: impl AsFd, size: Winsize) -> io::Result<()> {
    Ok(rustix::termios::tcsetwinsize(terminal, size)?)
}

/// The client's modes, as far as this system has them; the others are left as they are.
fn apply(attributes: &mut Termios, modes: &[u8]) {
    let mut reader = Reader::new(modes);
    while let Ok(code) = reader.byte() {
        // 0 is the end; what 160 and above mean, nobody has said.
        if code == 0 || code >= 160 {
            return;
        }
        let Ok(value) = reader.u32() else { return };
        match code {
            128 => drop(attributes.set_input_speed(value)),
            129 => drop(attributes.set_output_speed(value)),
            _ => {
                if let Some(index) = special(code) {
                    // 255 switches the character off, which is 0 here.
                    let value = u8::try_from(value).unwrap_or(0);
                    attributes.special_codes[index] = if value == 255 { 0 } else { value };
                } else {
                    flag(attributes, code, value != 0);
                }
            }
        }
    }
}

fn special(code: u8) -> Option<SpecialCodeIndex> {
    Some(match code {
        1 => SpecialCodeIndex::VINTR,
        2 => SpecialCodeIndex::VQUIT,
        3 => SpecialCodeIndex::VERASE,
        4 => SpecialCodeIndex::VKILL,
        5 => SpecialCodeIndex::VEOF,
        6 => SpecialCodeIndex::VEOL,
        7 => SpecialCodeIndex::VEOL2,
        8 => SpecialCodeIndex::VSTART,
        9 => SpecialCodeIndex::VSTOP,
        10 => SpecialCodeIndex::VSUSP,
        12 => SpecialCodeIndex::VREPRINT,
        13 => SpecialCodeIndex::VWERASE,
        14 => SpecialCodeIndex::VLNEXT,
        18 => SpecialCodeIndex::VDISCARD,
        _ => return None,
    })
}

fn flag(attributes: &mut Termios, code: u8, on: bool) {
    let input = match code {
        30 => InputModes::IGNPAR,
        31 => InputModes::PARMRK,
        32 => InputModes::INPCK,
        33 => InputModes::ISTRIP,
        34 => InputModes::INLCR,
        35 => InputModes::IGNCR,
        36 => InputModes::ICRNL,
        37 => InputModes::IUCLC,
        38 => InputModes::IXON,
        39 => InputModes::IXANY,
        40 => InputModes::IXOFF,
        41 => InputModes::IMAXBEL,
        42 => InputModes::IUTF8,
        _ => InputModes::empty(),
    };
    attributes.input_modes.set(input, on);
    let local = match code {
        50 => LocalModes::ISIG,
        51 => LocalModes::ICANON,
        52 => LocalModes::XCASE,
        53 => LocalModes::ECHO,
        54 => LocalModes::ECHOE,
        55 => LocalModes::ECHOK,
        56 => LocalModes::ECHONL,
        57 => LocalModes::NOFLSH,
        58 => LocalModes::TOSTOP,
        59 => LocalModes::IEXTEN,
        60 => LocalModes::ECHOCTL,
        61 => LocalModes::ECHOKE,
        62 => LocalModes::PENDIN,
        _ => LocalModes::empty(),
    };
    attributes.local_modes.set(local, on);
    let output = match code {
        70 => OutputModes::OPOST,
        71 => OutputModes::OLCUC,
        72 => OutputModes::ONLCR,
        73 => OutputModes::OCRNL,
        74 => OutputModes::ONOCR,
        75 => OutputModes::ONLRET,
        _ => OutputModes::empty(),
    };
    attributes.output_modes.set(output, on);
    let control = match code {
        90 => ControlModes::CS7,
        91 => ControlModes::CS8,
        92 => ControlModes::PARENB,
        93 => ControlModes::PARODD,
        _ => return,
    };
    // The size of a character is one field of two bits.
    if code == 90 || code == 91 {
        if on {
            attributes.control_modes.remove(ControlModes::CSIZE);
            attributes.control_modes.insert(control);
        }
    } else {
        attributes.control_modes.set(control, on);
    }
}
