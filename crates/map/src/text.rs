//! How wide a text is, and what of it is shown where there is less room.
//!
//! Widths are those of Helvetica (Adobe's font metrics of the PostScript core fonts), which Arial and
//! Liberation Sans share. A text in the picture is told its width, so that it keeps to its box in
//! another font as well, and whatever letters it has.

/// How a text is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Face {
    /// The name of the VPC.
    Title,
    /// The first line of a box.
    Head,
    /// Sentences and names.
    Body,
    /// Ids, addresses and rules.
    Mono,
    /// The number of a hop.
    Badge,
}

impl Face {
    /// In pixels.
    pub(crate) const fn size(self) -> i32 {
        match self {
            Self::Title => 22,
            Self::Head => 13,
            Self::Body => 12,
            Self::Mono | Self::Badge => 11,
        }
    }

    /// The class that the style sheet has for it.
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Title => "t",
            Self::Head => "h",
            Self::Body => "b",
            Self::Mono => "m",
            Self::Badge => "n",
        }
    }
}

/// Widths of the characters from space to tilde, in thousandths of the size.
const REGULAR: [i32; 95] = [
    278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, 1015, 667, 667, 722, 722, 667,
    611, 778, 722, 278, 500, 667, 556, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 278, 278, 278, 469, 556, 333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500,
    222, 833, 556, 556, 556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584,
];
const BOLD: [i32; 95] = [
    278, 333, 474, 556, 556, 889, 722, 238, 333, 333, 389, 584, 278, 333, 278, 278, 556, 556, 556,
    556, 556, 556, 556, 556, 556, 556, 333, 333, 584, 584, 584, 611, 975, 722, 722, 722, 722, 667,
    611, 778, 722, 278, 556, 722, 611, 833, 722, 778, 667, 778, 722, 667, 611, 722, 667, 944, 667,
    667, 611, 333, 278, 333, 584, 556, 333, 556, 611, 556, 611, 556, 333, 611, 611, 278, 278, 556,
    278, 889, 611, 611, 611, 611, 389, 556, 333, 611, 556, 778, 556, 556, 500, 389, 280, 389, 584,
];
/// What fonts of one width have.
const MONO: i32 = 602;
/// What is taken for a letter that the table does not have.
const OTHER: i32 = 1_000;

fn advance(letter: char, face: Face) -> i32 {
    let table = match face {
        Face::Mono => return if letter.is_ascii() { MONO } else { OTHER },
        Face::Title | Face::Head | Face::Badge => &BOLD,
        Face::Body => &REGULAR,
    };
    let at = u32::from(letter).checked_sub(0x20).and_then(|at| usize::try_from(at).ok());
    match letter {
        '·' | '’' => 333,
        '→' | '←' | '…' | '✕' => 1_000,
        _ => at.and_then(|at| table.get(at)).copied().unwrap_or(OTHER),
    }
}

/// The width of a text in pixels, rounded up.
pub(crate) fn width(text: &str, face: Face) -> i32 {
    let sum: i32 = text.chars().map(|letter| advance(letter, face)).sum();
    (sum * face.size() + 999) / 1_000
}

/// The longest text that is looked at.
const LONGEST: usize = 1_200;

/// A text without what XML cannot hold or what would turn its neighbours round: control characters,
/// marks of direction, and what is no character.
pub(crate) fn clean(text: &str) -> String {
    let one = |letter: char| match letter {
        '\t' | '\n' | '\r' => ' ',
        _ if letter.is_control() => char::REPLACEMENT_CHARACTER,
        '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            char::REPLACEMENT_CHARACTER
        }
        _ if u32::from(letter) & 0xfffe == 0xfffe => char::REPLACEMENT_CHARACTER,
        _ => letter,
    };
    text.chars().take(LONGEST).map(one).collect()
}

/// What of a text fits, with an ellipsis where it is cut.
pub(crate) fn fit(text: &str, face: Face, room: i32) -> String {
    let text = clean(text);
    if width(&text, face) <= room {
        return text;
    }
    let mut shown = String::new();
    let mut used = advance('…', face);
    for letter in text.chars() {
        used += advance(letter, face);
        if (used * face.size() + 999) / 1_000 > room {
            break;
        }
        shown.push(letter);
    }
    let mut shown = shown.trim_end().to_owned();
    shown.push('…');
    if width(&shown, face) > room { String::new() } else { shown }
}

/// A sentence in lines, the last of at most `most` cut if there is more.
pub(crate) fn wrap(text: &str, face: Face, room: i32, most: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let text = clean(text);
    let mut words = text.split_whitespace().peekable();
    while let Some(word) = words.peek() {
        let longer = if line.is_empty() { (*word).to_owned() } else { format!("{line} {word}") };
        if width(&longer, face) <= room {
            line = longer;
            words.next();
            continue;
        }
        if lines.len() + 1 == most {
            // The rest, as far as it fits.
            let rest: Vec<&str> = words.by_ref().collect();
            let whole = format!("{line} {}", rest.join(" "));
            line = fit(whole.trim_start(), face, room);
            break;
        }
        if line.is_empty() {
            line = fit(word, face, room);
            words.next();
        }
        lines.push(std::mem::take(&mut line));
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn widths_are_those_of_the_font() {
        // 12 pixels of "ii" and "MM" in Helvetica.
        assert_eq!(width("ii", Face::Body), 6);
        assert_eq!(width("MM", Face::Body), 20);
        assert_eq!(width("subnet-0", Face::Mono), width("MMMMMMMM", Face::Mono));
    }

    #[test]
    fn a_text_that_is_cut_says_so() {
        assert_eq!(fit("studio", Face::Body, 100), "studio");
        assert_eq!(fit("studio-endpoints", Face::Body, 60), "studio-e…");
        assert_eq!(fit("studio", Face::Body, 3), "");
    }

    #[test]
    fn what_xml_cannot_hold_is_replaced() {
        assert_eq!(clean("a\u{0}b\u{202e}c\u{ffff}\nd"), "a\u{fffd}b\u{fffd}c\u{fffd} d");
    }

    #[test]
    fn sentences_are_broken_between_words() {
        let lines = wrap("no route of the table has the destination", Face::Body, 90, 2);
        assert_eq!(lines, ["no route of the", "table has the…"]);
    }

    proptest! {
        #[test]
        fn what_is_shown_fits(text in any::<String>(), room in 0_i32..300, most in 1_usize..5) {
            for face in [Face::Title, Face::Head, Face::Body, Face::Mono] {
                prop_assert!(width(&fit(&text, face, room), face) <= room);
                let lines = wrap(&text, face, room, most);
                prop_assert!(lines.len() <= most);
                prop_assert!(lines.iter().all(|line| width(line, face) <= room));
            }
        }
    }
}
