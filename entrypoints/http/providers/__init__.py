"""The calls under /api/providers."""

from entrypoints.http.providers.handlers import ProviderCatalogue

__all__ = ["ProviderCatalogue"]
