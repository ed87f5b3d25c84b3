"""Contract suites: what every adapter of a port must do, as test classes to inherit from.

class TestMyBlobs(BlobsContract):
    @pytest.fixture
    def blobs(self) -> Blobs:
        return MyBlobs()
"""

from penstock.testing.contracts.blobs import BlobsContract
from penstock.testing.contracts.ledgers import LedgerContract
from penstock.testing.contracts.online import OnlineContract
from penstock.testing.contracts.questions import QuestionsContract
from penstock.testing.contracts.stores import StoreContract

__all__ = ["BlobsContract", "LedgerContract", "OnlineContract", "QuestionsContract", "StoreContract"]
