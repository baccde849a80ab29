//! Cards: boxes of lines, from which most of the picture is made.

use crate::marks::{Key, Marks};
use crate::scene::{Anchor, Look, Rect, Scene, Tone};
use crate::text::{self, Face};

/// The height of a line.
pub(crate) const LINE: i32 = 18;
/// Around the lines of a card.
pub(crate) const PAD: i32 = 10;
/// Around the lines of a box in a card, left and right; and above and below.
const INNER: (i32, i32) = (8, 3);
/// Between the blocks of a card.
const GAP: i32 = 6;
/// Between the two ends of a line.
const APART: i32 = 8;

/// A piece of a line.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    text: String,
    face: Face,
    tone: Tone,
}

impl Run {
    pub(crate) fn new(face: Face, tone: Tone, text: impl Into<String>) -> Self {
        Self { text: text.into(), face, tone }
    }
}

/// A line: what stands at its left, what at its right.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    left: Run,
    right: Option<Run>,
    key: Option<Key>,
}

impl Line {
    pub(crate) fn new(face: Face, tone: Tone, text: impl Into<String>) -> Self {
        Self { left: Run::new(face, tone, text), right: None, key: None }
    }

    pub(crate) fn right(mut self, face: Face, tone: Tone, text: impl Into<String>) -> Self {
        self.right = Some(Run::new(face, tone, text));
        self
    }

    /// Where the walk may come by.
    pub(crate) fn at(mut self, key: Key) -> Self {
        self.key = Some(key);
        self
    }
}

/// A line where the walk may come by.
pub(crate) fn badge_line(face: Face, tone: Tone, text: &str, key: Key) -> Line {
    Line::new(face, tone, text).at(key)
}

/// Lines that belong together, in a box of their own or not.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) lines: Vec<Line>,
    pub(crate) look: Option<Look>,
    /// What a box is called.
    pub(crate) label: String,
}

impl Block {
    pub(crate) fn plain(lines: Vec<Line>) -> Self {
        Self { lines, look: None, label: String::new() }
    }

    pub(crate) fn boxed(look: Look, label: impl Into<String>, lines: Vec<Line>) -> Self {
        Self { lines, look: Some(look), label: label.into() }
    }

    fn height(&self) -> i32 {
        let count = i32::try_from(self.lines.len()).unwrap_or(i32::MAX / LINE);
        count * LINE + if self.look.is_some() { 2 * INNER.1 } else { 0 }
    }
}

/// A box with blocks below each other.
#[derive(Clone, Debug)]
pub(crate) struct Card {
    pub(crate) label: String,
    pub(crate) look: Look,
    pub(crate) blocks: Vec<Block>,
}

impl Card {
    pub(crate) fn new(label: impl Into<String>, look: Look, blocks: Vec<Block>) -> Self {
        let blocks = blocks.into_iter().filter(|block| !block.lines.is_empty()).collect();
        Self { label: label.into(), look, blocks }
    }

    pub(crate) fn height(&self) -> i32 {
        let gaps = i32::try_from(self.blocks.len()).unwrap_or_default().saturating_sub(1) * GAP;
        2 * PAD + self.blocks.iter().map(Block::height).sum::<i32>() + gaps
    }

    /// Draws it; the number of its box.
    pub(crate) fn draw(
        &self,
        scene: &mut Scene,
        marks: &Marks,
        rect: Rect,
        parent: Option<usize>,
    ) -> usize {
        let own = scene.shape(rect, self.look, parent, Some(self.label.clone()));
        let mut y = rect.y + PAD;
        for block in &self.blocks {
            let height = block.height();
            let (mut owner, mut x, mut w, mut line_y) = (own, rect.x + PAD, rect.w - 2 * PAD, y);
            if let Some(look) = block.look {
                let inner = Rect { x, y, w, h: height };
                owner = scene.shape(inner, look, Some(own), Some(block.label.clone()));
                (x, w, line_y) = (x + INNER.0, w - 2 * INNER.0, y + INNER.1);
            }
            for line in &block.lines {
                draw_line(scene, marks, (owner, rect), Rect { x, y: line_y, w, h: LINE }, line);
                line_y += LINE;
            }
            y += height + GAP;
        }
        own
    }
}

/// Draws a line of the box `owner`, on a card of that place.
pub(crate) fn draw_line(
    scene: &mut Scene,
    marks: &Marks,
    (owner, card): (usize, Rect),
    at: Rect,
    line: &Line,
) {
    let mut room = at.w;
    let mut tone = None;
    if let Some((key, badge)) = line.key.as_ref().and_then(|key| Some((key, marks.badge(key)?))) {
        let failed = marks.is_failed(key);
        room -= draw_badge(scene, (owner, card), at, &badge, failed, key) + APART;
        tone = Some(if failed { Tone::Bad } else { Tone::Way });
    }
    let base = at.y + 13;
    let mut left_room = room;
    if let Some(right) = &line.right {
        // The left end says what it is about: it gets what it needs, up to two thirds.
        let wanted = text::width(&text::clean(&line.left.text), line.left.face) + APART;
        let most = (room - wanted.min(room * 2 / 3)).max(room / 3);
        let end = (at.x + room, base);
        let set = (right.face, tone.unwrap_or(right.tone));
        let used = scene.text_to(Some(owner), end, most, set, &right.text);
        left_room -= if used > 0 { used + APART } else { 0 };
    }
    let set = (line.left.face, tone.unwrap_or(line.left.tone));
    scene.text(Some(owner), (at.x, base), left_room, set, &line.left.text);
}

/// The numbers of hops, at the right end of a line; how wide that is.
fn draw_badge(
    scene: &mut Scene,
    (owner, card): (usize, Rect),
    at: Rect,
    badge: &str,
    failed: bool,
    key: &Key,
) -> i32 {
    let room = at.w / 2;
    let shown = text::fit(badge, Face::Badge, room - 10);
    let w = (text::width(&shown, Face::Badge) + 10).max(LINE - 2);
    let rect = Rect { x: at.right() - w, y: at.y + 1, w, h: LINE - 2 };
    let look = if failed { Look::BadBadge } else { Look::Badge };
    let label = if failed { "the walk ends here" } else { "on the walk" };
    let pill = scene.shape(rect, look, Some(owner), Some(label.to_owned()));
    let x = rect.x + (w - text::width(&shown, Face::Badge)) / 2;
    scene.text(Some(pill), (x, at.y + 13), w, (Face::Badge, Tone::OnBadge), &shown);
    let (x, y) = (rect.x + w / 2, rect.y + rect.h / 2);
    let (lane, strip) = (card.y - GAP, scene.strip);
    // A line of a table comes after the place where it counts, and is not on the way.
    scene.anchors.entry(key.clone()).or_insert(Anchor { x, y, card, lane, strip });
    w
}

/// Cards of one width, in rows of one height.
pub(crate) fn grid_height(cards: &[Card], columns: usize, gap: i32) -> i32 {
    let rows = cards.chunks(columns.max(1));
    let heights: Vec<i32> =
        rows.map(|row| row.iter().map(Card::height).max().unwrap_or_default()).collect();
    let gaps = i32::try_from(heights.len()).unwrap_or_default().saturating_sub(1) * gap;
    heights.iter().sum::<i32>() + gaps
}

/// Draws cards in a grid from the left top of `at`, over its width; the grid's height.
pub(crate) fn draw_grid(
    scene: &mut Scene,
    marks: &Marks,
    at: Rect,
    (columns, gap): (usize, i32),
    parent: Option<usize>,
    cards: &[Card],
) -> i32 {
    let columns = columns.max(1);
    let count = i32::try_from(columns).unwrap_or(1);
    let w = (at.w - (count - 1) * gap) / count;
    let mut y = at.y;
    for row in cards.chunks(columns) {
        let h = row.iter().map(Card::height).max().unwrap_or_default();
        let mut x = at.x;
        for card in row {
            card.draw(scene, marks, Rect { x, y, w, h }, parent);
            x += w + gap;
        }
        y += h + gap;
    }
    grid_height(cards, columns, gap)
}
