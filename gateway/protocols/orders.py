"""Which protocols' devices can be asked for what: the entry ``orders`` of the rows in the table, one a ``<name>_orders.py``.

Only what a maker's public paper or a standard states, or the dossier; a protocol that is not here takes no orders.
"""

from gateway.protocols import (
    gps103_orders,
    gt06_orders,
    h02_orders,
    jt808_orders,
    laipac_orders,
    meitrack_orders,
    queclink_orders,
    sms_orders,
    teltonika_orders,
    tk103_orders,
    watch_orders,
)
from gateway.protocols.order_book import OrderBook

NO_ORDERS = OrderBook()

ORDER_BOOKS = {
    "gt06": gt06_orders.BOOK,
    "teltonika": teltonika_orders.BOOK,
    "queclink": queclink_orders.BOOK,
    "sms": sms_orders.BOOK,
    "h02": h02_orders.BOOK,
    "meitrack": meitrack_orders.BOOK,
    "watch": watch_orders.BOOK,
    "gps103": gps103_orders.BOOK,
    "tk103": tk103_orders.BOOK,
    "jt808": jt808_orders.BOOK,
    "laipac": laipac_orders.BOOK,
}
