"""Moderate judges images and posts with Alibaba Cloud Content Moderation (Green, API 2022-03-02)."""

__version__ = "0.2.0"
