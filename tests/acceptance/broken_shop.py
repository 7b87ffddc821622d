"""An app that breaks as it is imported."""

from warrener import Warrener

app = Warrener()
PRICE = 1 / 0
