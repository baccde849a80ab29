//! The picture before it is written down: boxes in boxes, texts in boxes, lines between them.

use std::collections::BTreeMap;

use crate::marks::Key;
use crate::text::{self, Face};

/// A rectangle in whole pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rect {
    pub(crate) x: i32,
    pub(crate) y: i32,
    pub(crate) w: i32,
    pub(crate) h: i32,
}

impl Rect {
    pub(crate) const fn right(self) -> i32 {
        self.x + self.w
    }

    pub(crate) const fn bottom(self) -> i32 {
        self.y + self.h
    }
}

/// What a colour says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    #[default]
    Ink,
    Muted,
    /// Open to the internet, or a way there.
    Open,
    /// An endpoint.
    Service,
    /// On the walk.
    Way,
    /// Where the walk ends.
    Bad,
    Good,
    /// On a filled badge.
    OnBadge,
}

/// What a box looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Vpc,
    Zone,
    Card,
    OpenCard,
    /// A box within a card.
    Inner,
    OpenInner,
    ServiceInner,
    Internet,
    NoInternet,
    Reached,
    NotReached,
    Badge,
    BadBadge,
}

/// A box.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) rect: Rect,
    pub(crate) look: Look,
    pub(crate) parent: Option<usize>,
    /// What it is called by those who do not see it.
    pub(crate) label: Option<String>,
}

/// A text, on one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    /// The box that it is in; none for what stands on the sheet.
    pub(crate) owner: Option<usize>,
    pub(crate) x: i32,
    /// The base line.
    pub(crate) y: i32,
    pub(crate) width: i32,
    pub(crate) shown: String,
    /// The whole text, where it was cut.
    pub(crate) full: Option<String>,
    pub(crate) face: Face,
    pub(crate) tone: Tone,
}

impl Text {
    /// The room that it takes.
    #[cfg(test)]
    pub(crate) fn rect(&self) -> Rect {
        let size = self.face.size();
        Rect { x: self.x, y: self.y - size * 4 / 5, w: self.width, h: size }
    }
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) points: Vec<(i32, i32)>,
    /// Whether it is of the walk; else it says that two boxes belong together.
    pub(crate) walk: bool,
    pub(crate) open: bool,
}

/// Where a badge is, and how a line gets to it without crossing anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Anchor {
    pub(crate) x: i32,
    pub(crate) y: i32,
    /// The card that it is on.
    pub(crate) card: Rect,
    /// The free lane above the cards that stand beside that one.
    pub(crate) lane: i32,
    /// The free lane above the part of the picture that it is in.
    pub(crate) strip: i32,
}

/// A picture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scene {
    pub(crate) width: i32,
    pub(crate) height: i32,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) texts: Vec<Text>,
    pub(crate) wires: Vec<Wire>,
    /// Where badges are.
    pub(crate) anchors: BTreeMap<Key, Anchor>,
    /// The lane above the part that is being drawn.
    pub(crate) strip: i32,
}

impl Scene {
    /// Adds a box; its number.
    pub(crate) fn shape(
        &mut self,
        rect: Rect,
        look: Look,
        parent: Option<usize>,
        label: Option<String>,
    ) -> usize {
        self.shapes.push(Shape { rect, look, parent, label });
        self.shapes.len() - 1
    }

    /// Adds as much of a text as fits; how wide that is.
    pub(crate) fn text(
        &mut self,
        owner: Option<usize>,
        (x, y): (i32, i32),
        room: i32,
        (face, tone): (Face, Tone),
        whole: &str,
    ) -> i32 {
        let shown = text::fit(whole, face, room);
        if shown.is_empty() {
            return 0;
        }
        let width = text::width(&shown, face);
        let cleaned = text::clean(whole);
        let full = (shown != cleaned).then_some(cleaned);
        self.texts.push(Text { owner, x, y, width, shown, full, face, tone });
        width
    }

    /// As [`Self::text`], up to `right`.
    pub(crate) fn text_to(
        &mut self,
        owner: Option<usize>,
        (right, y): (i32, i32),
        room: i32,
        set: (Face, Tone),
        whole: &str,
    ) -> i32 {
        let width = self.text(owner, (0, y), room, set, whole);
        if let Some(text) = self.texts.last_mut().filter(|_| width > 0) {
            text.x = right - width;
        }
        width
    }
}
