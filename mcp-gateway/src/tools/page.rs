//! Cutting a long list: one rule for every tool that pages with a limit and an offset.

/// A part of a list.
pub(super) struct Page<T> {
    /// The items of this part.
    pub(super) items: Vec<T>,
    /// How many there are altogether.
    pub(super) total: usize,
    /// The offset to go on with, unless this is the end.
    pub(super) next_offset: Option<usize>,
}

impl<T> Page<T> {
    /// The items from `offset` on: as many as were asked for, or `usual`, and never more than
    /// `most`.
    pub(super) fn of(
        all: Vec<T>,
        offset: usize,
        limit: Option<usize>,
        usual: usize,
        most: usize,
    ) -> Self {
        let total = all.len();
        let limit = limit.unwrap_or(usual).clamp(1, most);
        let end = offset.saturating_add(limit);
        Self {
            items: all.into_iter().skip(offset).take(limit).collect(),
            total,
            next_offset: (end < total).then_some(end),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(offset: usize, limit: Option<usize>) -> (Vec<u8>, Option<usize>) {
        let page = Page::of((0..5).collect(), offset, limit, 2, 3);
        assert_eq!(page.total, 5);
        (page.items, page.next_offset)
    }

    #[test]
    fn the_parts_are_the_whole_and_the_last_one_says_so() {
        assert_eq!(page(0, None), (vec![0, 1], Some(2)));
        assert_eq!(page(2, Some(100)), (vec![2, 3, 4], None));
        assert_eq!(page(4, None), (vec![4], None));
        assert_eq!(page(usize::MAX, Some(1)), (vec![], None));
        assert_eq!(page(0, Some(0)), (vec![0], Some(1)));
    }
}
