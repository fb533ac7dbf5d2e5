"""HTML as a reader sees it: text, links, images, and what is there but hidden."""

from .model import Hidden, HiddenBy, HtmlView, Image, Link, LinkPlace
from .view import render

__all__ = ["Hidden", "HiddenBy", "HtmlView", "Image", "Link", "LinkPlace", "render"]
