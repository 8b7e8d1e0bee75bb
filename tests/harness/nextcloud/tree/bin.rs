//! The trash bin of a home: what was deleted, with where it was, until it is restored or gone.

use super::{Ids, Node, Tree, transplanted};

/// Something deleted, with everything below it.
#[derive(Clone, Debug)]
pub(in super::super) struct Trashed {
    /// Its name in the bin: the old one, and when it was deleted.
    pub(in super::super) key: String,
    /// Where it was.
    pub(in super::super) original: Vec<String>,
    /// Unix seconds.
    pub(in super::super) deleted_at: u64,
    /// Under their old paths, parents first.
    nodes: Vec<(Vec<String>, Node)>,
}

impl Trashed {
    /// The thing itself.
    pub(in super::super) fn node(&self) -> Option<&Node> {
        self.nodes.first().map(|(_, node)| node)
    }

    /// Its old name.
    pub(in super::super) fn name(&self) -> &str {
        self.original.last().map_or("", String::as_str)
    }

    /// Bytes of the file, or of everything in the folder.
    pub(in super::super) fn size(&self) -> u64 {
        let contents = self.nodes.iter().filter_map(|(_, node)| node.content());
        contents.map(|content| content.len() as u64).sum()
    }
}

impl Tree {
    /// Moves a node with everything below it to the trash bin.
    pub(in super::super) fn discard(&mut self, path: &[String], now: u64, ids: &mut Ids) {
        let nodes: Vec<_> = self
            .subtree(path)
            .map(|(key, node)| (key.clone(), node.clone()))
            .collect();
        let Some(name) = path.last().filter(|_| !nodes.is_empty()) else {
            return;
        };
        self.remove(path, now, ids);
        let key = |deleted_at: u64| format!("{name}.d{deleted_at}");
        // The name has to be free; Nextcloud counts the seconds on.
        let mut deleted_at = now;
        while self.trashed(&key(deleted_at)).is_some() {
            deleted_at += 1;
        }
        self.bin.push(Trashed {
            key: key(deleted_at),
            original: path.to_vec(),
            deleted_at,
            nodes,
        });
    }

    /// Everything in the trash bin, in the order of deletion.
    pub(in super::super) fn bin(&self) -> &[Trashed] {
        &self.bin
    }

    /// What has this name in the trash bin.
    pub(in super::super) fn trashed(&self, key: &str) -> Option<&Trashed> {
        self.bin.iter().find(|one| one.key == key)
    }

    /// Takes something out of the trash bin for good.
    pub(in super::super) fn purge(&mut self, key: &str) -> Option<Trashed> {
        let position = self.bin.iter().position(|one| one.key == key)?;
        Some(self.bin.remove(position))
    }

    /// Empties the trash bin.
    pub(in super::super) fn empty_bin(&mut self) {
        self.bin.clear();
    }

    /// Puts something from the trash bin to a free path whose parent exists; ids and entity tags are
    /// the old ones.
    pub(in super::super) fn bring_back(
        &mut self,
        one: Trashed,
        to: &[String],
        now: u64,
        ids: &mut Ids,
    ) {
        for (key, node) in one.nodes {
            self.nodes
                .insert(transplanted(&key, &one.original, to), node);
        }
        if let Some((_, parent)) = to.split_last() {
            self.touch(parent, now, ids);
        }
    }

    /// Where something deleted goes back to: where it was, in the root when that folder is gone, under
    /// another name when the place is taken.
    pub(in super::super) fn place_for(&self, one: &Trashed) -> Vec<String> {
        let parent = match one.original.split_last() {
            Some((_, parent)) if self.get(parent).is_some() => parent,
            Some(_) | None => &[],
        };
        let (stem, suffix) = match one.name().rfind('.') {
            Some(dot) if dot > 0 => one.name().split_at(dot),
            Some(_) | None => (one.name(), ""),
        };
        let names = (1..).map(|number| match number {
            1 => one.name().to_owned(),
            2 => format!("{stem} (restored){suffix}"),
            more => format!("{stem} (restored {more}){suffix}"),
        });
        let mut places = names.map(|name| [parent, &[name]].concat());
        places
            .find(|place| self.get(place).is_none())
            .unwrap_or_default()
    }
}
