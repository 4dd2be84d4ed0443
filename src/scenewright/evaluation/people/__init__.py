"""What people say: votes, ratings and rankings, and what follows from them."""

from scenewright.evaluation.people.agreement import Rating, Truths, dawid_skene, krippendorff_alpha
from scenewright.evaluation.people.planning import Standing, prompts_missing, standing, votes_needed
from scenewright.evaluation.people.preferences import Preferences, Vote, fit_preferences, ranking_votes

__all__ = [
    "Preferences",
    "Rating",
    "Standing",
    "Truths",
    "Vote",
    "dawid_skene",
    "fit_preferences",
    "krippendorff_alpha",
    "prompts_missing",
    "ranking_votes",
    "standing",
    "votes_needed",
]
