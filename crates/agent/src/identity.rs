//! The files of `/etc` that say who and where one is in a space.

use crate::plan::{HOME, USER};

/// Their names below `/etc` and their texts: what a space sees instead of the host's or an image's.
/// The user of the space has these ids inside.
#[must_use]
pub fn etc(hostname: &str, uid: u32, gid: u32) -> Vec<(&'static str, String)> {
    let passwd = format!(
        "root:x:0:0:root:/root:/usr/sbin/nologin\n\
         {USER}:x:{uid}:{gid}:{USER}:{HOME}:/bin/bash\n\
         nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
    );
    let nsswitch = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n\
                    networks: files\nprotocols: files\nservices: files\n";
    vec![
        ("passwd", passwd),
        ("group", format!("root:x:0:\ntty:x:5:\nusers:x:{gid}:{USER}\nnogroup:x:65534:\n")),
        ("hosts", format!("127.0.0.1 localhost {hostname}\n::1 localhost ip6-localhost\n")),
        ("hostname", format!("{hostname}\n")),
        // No name server is reachable; asking one must fail at once.
        ("resolv.conf", "options timeout:1 attempts:1\n".to_owned()),
        ("nsswitch.conf", nsswitch.to_owned()),
        ("shells", "/bin/sh\n/bin/bash\n/usr/bin/bash\n".to_owned()),
    ]
}
