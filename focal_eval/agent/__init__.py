"""A rule-following agent as data, and the pure function that plays one turn of it."""

from focal_eval.agent.builtin import ToolOutcome
from focal_eval.agent.compiled import Playable
from focal_eval.agent.load import load_agent, open_agent
from focal_eval.agent.model import Agent, AgentNames
from focal_eval.agent.play import begin, play, turn_steps
from focal_eval.agent.score import Scorer
from focal_eval.agent.state import State
from focal_eval.agent.turn import Played

__all__ = [
    "Agent",
    "AgentNames",
    "Playable",
    "Played",
    "Scorer",
    "State",
    "ToolOutcome",
    "begin",
    "load_agent",
    "open_agent",
    "play",
    "turn_steps",
]
