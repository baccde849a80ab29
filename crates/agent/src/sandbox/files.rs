//! The files of `/etc` that say who and where one is in a space.

use super::mounts::Inside;
use crate::plan::{GID, HOME, Launch, UID, USER};
use crate::trouble::Done;

/// Writes them.
pub(super) fn write_etc(inside: &Inside, launch: &Launch) -> Done {
    let hostname = &launch.hostname;
    let passwd = format!(
        "root:x:0:0:root:/root:/usr/sbin/nologin\n\
         {USER}:x:{UID}:{GID}:{USER}:{HOME}:/bin/bash\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    );
    let group = format!("root:x:0:\ntty:x:5:\nusers:x:{GID}:{USER}\nnogroup:x:65534:\n");
    let hosts = format!("127.0.0.1 localhost {hostname}\n::1 localhost ip6-localhost\n");
    for (name, text) in [
        ("passwd", passwd.as_str()),
        ("group", &group),
        ("hosts", &hosts),
        ("hostname", &format!("{hostname}\n")),
        // No name server is reachable; asking one must fail at once.
        ("resolv.conf", "options timeout:1 attempts:1\n"),
        (
            "nsswitch.conf",
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\n\
             protocols: files\nservices: files\n",
        ),
        ("shells", "/bin/sh\n/bin/bash\n/usr/bin/bash\n"),
    ] {
        inside.file(format!("/etc/{name}"), text.as_bytes())?;
    }
    Ok(())
}
