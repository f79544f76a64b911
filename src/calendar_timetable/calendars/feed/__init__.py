"""One feed over time: asked, kept, believed."""
