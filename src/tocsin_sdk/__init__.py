"""A small library for model servers: send what they predict to tocsin. It needs the standard library only."""

from tocsin_sdk.profile import Profile, ProfileError
from tocsin_sdk.telemetry import Counters, Telemetry

__all__ = ["Counters", "Profile", "ProfileError", "Telemetry"]
