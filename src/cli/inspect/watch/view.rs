//! State of the live view: what is shown, and which page, order and filter the keys have chosen.

use crate::cli::inspect::history::SceneHistory;
use crate::cli::inspect::listings;
use crate::cli::inspect::sources::ReplicaPast;
use crate::cli::output::listing::Listing;
use crate::model::types::ReplicaId;
use crate::observe::frame::Frame;
use crate::observe::scene::Scene;

/// The pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tab {
    Replicas,
    Operators,
    Channels,
    Slots,
    Events,
}

impl Tab {
    pub const ALL: [Self; 5] =
        [Self::Replicas, Self::Operators, Self::Channels, Self::Slots, Self::Events];

    /// Their names.
    pub const NAMES: [&str; 5] = ["replicas", "operators", "channels", "slots", "events"];

    /// Whether the page is about one replica.
    pub fn is_of_one(self) -> bool {
        matches!(self, Self::Operators | Self::Channels | Self::Slots)
    }
}

/// What the next key means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    #[default]
    Normal,
    /// Letters are added to the filter.
    Filter,
    /// A digit selects a replica.
    Go,
    /// The keys are explained; any key ends that.
    Help,
}

/// How a page is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sort {
    pub column: usize,
    pub descending: bool,
}

/// Everything that can be shown.
#[derive(Clone, Debug, Default)]
pub(super) struct ViewData {
    pub scene: Option<Scene>,
    pub history: SceneHistory,
}

/// The screen.
#[derive(Debug)]
pub(super) struct View {
    pub tab: Tab,
    pub mode: Mode,
    /// How each page is sorted; without it as the listing comes.
    pub sorts: [Option<Sort>; Tab::ALL.len()],
    pub filter: String,
    /// The replica that pages about one are of.
    pub replica: ReplicaId,
    /// Lines above the first one shown.
    pub scroll: usize,
    /// Whether timely's own operators are listed, too.
    pub all: bool,
    /// Which run is played, if one is.
    pub run: Option<String>,
    pub paused: bool,
    now: ViewData,
    /// What was there when the view was paused.
    frozen: Option<Box<ViewData>>,
}

impl ViewData {
    pub fn frame(&self, replica: ReplicaId) -> Option<&Frame> {
        let seen = self.scene.as_ref()?.replicas.iter().find(|seen| seen.replica == replica)?;
        seen.frame.as_deref()
    }
}

impl View {
    pub fn new(replica: ReplicaId, all: bool) -> Self {
        Self {
            tab: Tab::Replicas,
            mode: Mode::Normal,
            sorts: [None; Tab::ALL.len()],
            filter: String::new(),
            replica,
            scroll: 0,
            all,
            run: None,
            paused: false,
            now: ViewData::default(),
            frozen: None,
        }
    }

    /// Takes up a new scene, whether it is shown or not.
    pub fn see(&mut self, scene: Scene, pasts: &[ReplicaPast]) {
        let history = &mut self.now.history;
        scene.replicas.iter().filter_map(|seen| seen.frame.as_ref()).for_each(|it| history.add(it));
        for ReplicaPast { replica, happened, slots } in pasts {
            history.note(*replica, slots, happened);
        }
        self.now.scene = Some(scene);
    }

    /// Shows this instead of what was there.
    pub fn show(&mut self, shown: ViewData) {
        self.now = shown;
    }

    /// Keeps on the screen what is there, or follows again.
    pub fn freeze(&mut self, paused: bool) {
        self.paused = paused;
        self.frozen = paused.then(|| Box::new(self.now.clone()));
    }

    /// What is on the screen.
    pub fn shown(&self) -> &ViewData {
        self.frozen.as_deref().unwrap_or(&self.now)
    }

    /// The replicas there are.
    pub fn replicas(&self) -> Vec<ReplicaId> {
        let scene = self.shown().scene.as_ref();
        scene.map_or(Vec::new(), |scene| scene.replicas.iter().map(|seen| seen.replica).collect())
    }

    pub fn sort(&self) -> Option<Sort> {
        self.sorts[self.place()]
    }

    /// Which of the pages is shown.
    pub fn place(&self) -> usize {
        Tab::ALL.iter().position(|tab| *tab == self.tab).unwrap_or(0)
    }

    /// The page as it was made, neither sorted nor filtered; nothing if there is nothing to list.
    pub fn listing(&self) -> Option<Listing> {
        let shown = self.shown();
        let frame = shown.frame(self.replica);
        let scene = shown.scene.as_ref()?;
        Some(match self.tab {
            Tab::Replicas => listings::replicas(scene),
            Tab::Operators => {
                listings::operators(frame?, shown.history.earlier(self.replica), self.all)
            }
            Tab::Channels => listings::channels(frame?),
            Tab::Slots => listings::slots(&shown.history, self.replica),
            Tab::Events => listings::events(&shown.history),
        })
    }
}
